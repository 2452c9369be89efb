//! Protocols, filters and configurations to try things with.

use std::sync::Arc;
use std::time::Instant;

use sabir_core::connection::Connection;
use sabir_core::filter::{self, Filter};
use sabir_core::protocol::{self, Capabilities, Limits, OptionsError, Protocol, Role};
use sabir_proxy::config::load;
use sabir_proxy::config::lower::Registries;
use sabir_proxy::config::resolved::Snapshot;
use serde_json::Value;

/// The least that carries a call.
pub(crate) const BASE: &str = "\
listeners:
- name: in
  address: 127.0.0.1:20880
  protocol: toy
  route_configuration:
    routes:
    - route: {cluster: a}
clusters:
- name: a
  load_assignment: {endpoints: [{address: '10.0.0.1:80'}]}
";

struct Toy {
    name: &'static str,
    capabilities: Capabilities,
}

impl Protocol for Toy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn connection(&self, _: Role, _: &Limits, _: Instant) -> Box<dyn Connection> {
        unreachable!("no test connects")
    }
}

/// Can do everything, and has an option `level`.
fn toy(options: &Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    let options = options.as_object().expect("always an object");
    if let Some(unknown) = options.keys().find(|key| *key != "level") {
        return Err(OptionsError(format!("unknown option {unknown}")));
    }
    if options
        .get("level")
        .is_some_and(|level| level.as_u64().is_none())
    {
        return Err(OptionsError("level: not a whole number".to_owned()));
    }
    Ok(Arc::new(Toy {
        name: "toy",
        capabilities: Capabilities {
            request_metadata: true,
            response_metadata: true,
            rewritable: &["service", "version"],
            multiplexed: true,
        },
    }))
}

/// Carries nothing but calls, one at a time.
fn plain(_: &Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    Ok(Arc::new(Toy {
        name: "plain",
        capabilities: Capabilities {
            request_metadata: false,
            response_metadata: false,
            rewritable: &[],
            multiplexed: false,
        },
    }))
}

/// Stands for Dubbo, whatever the options.
fn dubbo(_: &Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    let protocol = toy(&Value::Object(serde_json::Map::new()))?;
    let capabilities = protocol.capabilities();
    let name = "dubbo";
    Ok(Arc::new(Toy { name, capabilities }))
}

struct Example;

impl Filter for Example {}

fn example(_: &Value) -> Result<Arc<dyn Filter>, OptionsError> {
    Ok(Arc::new(Example))
}

/// Resolves `text` after `previous`.
pub(crate) fn after(previous: Option<&Snapshot>, text: &str) -> Result<Snapshot, String> {
    let mut protocols = protocol::Registry::default();
    protocols
        .add("toy", toy)
        .add("plain", plain)
        .add("dubbo", dubbo);
    let mut filters: filter::Registry = sabir_filters::registry();
    filters.add("example", example);
    let registries = Registries {
        protocols: &protocols,
        filters: &filters,
    };
    let loaded = load::parse("f", text.as_bytes(), &registries, previous);
    loaded.map_err(|error| error.to_string())
}

/// Resolves `text`, which is right.
pub(crate) fn resolve(text: &str) -> Snapshot {
    after(None, text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What is wrong with `text`.
pub(crate) fn errors(text: &str) -> String {
    after(None, text).expect_err("something is wrong")
}

/// [`BASE`] with another text in place of `from`.
pub(crate) fn with(from: &str, to: &str) -> String {
    assert_eq!(BASE.matches(from).count(), 1, "{from}");
    BASE.replace(from, to)
}

/// Checks what is said of [`BASE`] with each change: what is replaced, by what, and the errors.
pub(crate) fn check(cases: &[(&str, &str, &str)]) {
    let wrong = cases.iter().filter_map(|(from, to, expected)| {
        let found = errors(&with(from, to));
        let told = format!("with {to}\nexpected {expected}\nfound    {found}\n");
        (found != *expected).then_some(told)
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
