//! Changes the metadata of requests and responses.
//!
//! What a route's `request_mutation` and `response_mutation` do for that route, this does for all
//! routes of a listener, before the route is chosen, so that routes can depend on it:
//!
//! ```yaml
//! filters:
//! - type: metadata
//!   match: {metadata: {batchjob: {exact: "true"}}}
//!   config:
//!     request:
//!       set: {x-lane: batch, x-forwarded-host: "%REQ(:authority)%"}
//!       append: {x-forwarded-for: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}
//!       remove: [x-debug]
//!     response: {add_if_absent: {x-served-by: "%UPSTREAM_HOST%"}}
//! ```
//!
//! Values may hold the operators of [`sabir_core::template`].

use std::collections::BTreeMap;
use std::sync::Arc;

use sabir_core::filter::{Context, Filter, Flow};
use sabir_core::head::Head;
use sabir_core::mutation::Mutation;
use sabir_core::name::Name;
use sabir_core::protocol::OptionsError;
use sabir_core::template::{Messages, Template};
use serde::Deserialize;
use serde_json::Value;

/// Name of the type in configuration.
pub const TYPE: &str = "metadata";

/// What configuration can say. At least one change is required.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Applied to requests when the filter sees them.
    pub request: Changes,
    /// Applied to responses on their way back, also to those that sabir made itself.
    pub response: Changes,
}

/// Changes of metadata, by name.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Changes {
    /// Replaces all values of a name by this one.
    pub set: BTreeMap<String, String>,
    /// Gives a value to a name that has none.
    pub add_if_absent: BTreeMap<String, String>,
    /// Makes one list of the values of a name and this one, with commas.
    pub append: BTreeMap<String, String>,
    /// Adds a value to those of a name.
    pub add: BTreeMap<String, String>,
    /// Drops all values of a name, before anything is set.
    pub remove: Vec<String>,
}

/// The filter.
#[derive(Clone, Debug)]
pub struct Metadata {
    request: Mutation,
    response: Mutation,
}

impl Metadata {
    /// A filter that makes these changes.
    ///
    /// # Errors
    ///
    /// Says which name is empty, or given twice in different case, which value has an operator that
    /// cannot be understood, or that there is no change.
    pub fn new(config: &Config) -> Result<Self, OptionsError> {
        let request = config.request.compile("request", Messages::Requests)?;
        let response = config.response.compile("response", Messages::Responses)?;
        if request.is_empty() && response.is_empty() {
            let message = "nothing to change: give request or response with set, add, \
                           add_if_absent, append or remove";
            return Err(OptionsError(message.to_owned()));
        }
        Ok(Self { request, response })
    }
}

impl Filter for Metadata {
    fn mutations(&self) -> Option<(&Mutation, &Mutation)> {
        Some((&self.request, &self.response))
    }

    fn on_request(&self, request: &mut Head, cx: &mut Context) -> Flow {
        self.request.apply(request, cx);
        if self.response.is_empty() {
            Flow::Skip
        } else {
            Flow::Continue
        }
    }

    fn on_response(&self, response: &mut Head, cx: &mut Context) -> Flow {
        self.response.apply(response, cx);
        Flow::Continue
    }
}

impl Changes {
    fn compile(&self, part: &str, messages: Messages) -> Result<Mutation, OptionsError> {
        let name = |list: &str, text: &str| match text {
            "" => Err(OptionsError(format!("{part}.{list}: an empty name"))),
            text => Ok(Name::new(text)),
        };
        let pairs = |list: &str, pairs: &BTreeMap<String, String>| {
            let mut compiled: Vec<(Name, Template)> = Vec::with_capacity(pairs.len());
            for (text, value) in pairs {
                let name = name(list, text)?;
                // The order of a map says nothing, so that it could not tell which one counts.
                if compiled.iter().any(|(known, _)| *known == name) {
                    let message = format!("{part}.{list}: `{name}` in two spellings");
                    return Err(OptionsError(message));
                }
                let value = Template::compile(value, messages)
                    .map_err(|error| OptionsError(format!("{part}.{list}.{text}: {error}")))?;
                compiled.push((name, value));
            }
            Ok(compiled)
        };
        let remove = self.remove.iter().map(|text| name("remove", text));
        Ok(Mutation {
            remove: remove.collect::<Result<_, _>>()?,
            set: pairs("set", &self.set)?,
            add_if_absent: pairs("add_if_absent", &self.add_if_absent)?,
            append: pairs("append", &self.append)?,
            add: pairs("add", &self.add)?,
        })
    }
}

/// Makes the filter from its `config`.
///
/// # Errors
///
/// What does not follow [`Config`], and as [`Metadata::new`].
pub fn factory(config: &Value) -> Result<Arc<dyn Filter>, OptionsError> {
    let config = Config::deserialize(config).map_err(|error| OptionsError(error.to_string()))?;
    Ok(Arc::new(Metadata::new(&config)?))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use sabir_core::bytes::Bytes;
    use sabir_core::head::Kind;
    use serde_json::json;

    use super::*;

    fn head(kind: Kind) -> Head {
        Head::new("toy", kind, Bytes::new(), |_, _| {})
    }

    fn values(head: &Head, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        head.any(&Name::new(name), |value| {
            values.push(String::from_utf8_lossy(value).into_owned());
            false
        });
        values
    }

    fn context() -> Context {
        let [peer, local] = [1, 80].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        Context::new(peer, local, Instant::now())
    }

    fn refusal(config: &Value) -> String {
        let error = factory(config).err();
        error.expect("the configuration is refused").to_string()
    }

    #[test]
    fn requests_and_responses_are_changed() {
        let filter = factory(&json!({
            "request": {
                "set": {"X-Lane": "batch"},
                "add": {"x-seen": "sabir"},
                "add_if_absent": {"x-tenant": "none", "x-lane": "user"},
                "remove": ["x-debug"],
            },
            "response": {"set": {"x-by": "batch"}},
        }))
        .unwrap();
        let mut request = head(Kind::Request);
        for (name, value) in [("x-lane", "user"), ("x-seen", "other"), ("x-debug", "1")] {
            request.add(&Name::new(name), value.as_bytes());
        }
        let mut cx = context();
        let flow = filter.on_request(&mut request, &mut cx);
        assert!(matches!(flow, Flow::Continue), "{flow:?}");
        assert_eq!(values(&request, "x-lane"), ["batch"]);
        assert_eq!(values(&request, "x-seen"), ["other", "sabir"]);
        assert_eq!(values(&request, "x-tenant"), ["none"]);
        assert_eq!(values(&request, "x-debug"), [""; 0]);
        let mut response = head(Kind::Response);
        filter.on_response(&mut response, &mut cx);
        assert_eq!(values(&response, "x-by"), ["batch"]);
    }

    #[test]
    fn values_are_made_of_the_exchange() {
        let filter = factory(&json!({
            "request": {"append": {"x-forwarded-for": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}},
            "response": {"set": {"x-by": "%DOWNSTREAM_LOCAL_ADDRESS% %RESP(x-by)%"}},
        }))
        .unwrap();
        let mut request = head(Kind::Request);
        request.add(&Name::new("x-forwarded-for"), b"10.1.1.1");
        let mut cx = context();
        filter.on_request(&mut request, &mut cx);
        assert_eq!(values(&request, "x-forwarded-for"), ["10.1.1.1, 127.0.0.1"]);
        let mut response = head(Kind::Response);
        response.add(&Name::new("x-by"), b"me");
        filter.on_response(&mut response, &mut cx);
        assert_eq!(values(&response, "x-by"), ["127.0.0.1:80 me"]);
    }

    #[test]
    fn without_changes_of_responses_it_does_not_see_them() {
        let filter = factory(&json!({"request": {"set": {"a": "b"}}})).unwrap();
        let flow = filter.on_request(&mut head(Kind::Request), &mut context());
        assert!(matches!(flow, Flow::Skip), "{flow:?}");
    }

    #[test]
    fn the_names_it_changes_are_known() {
        let filter = factory(&json!({
            "request": {"set": {"a": "1"}, "remove": ["b"]},
            "response": {"add": {"c": "1"}},
        }))
        .unwrap();
        let (request, response) = filter.mutations().expect("it always changes the same");
        let names =
            |mutation: &Mutation| -> Vec<_> { mutation.names().map(ToString::to_string).collect() };
        assert_eq!(names(request), ["b", "a"]);
        assert_eq!(names(response), ["c"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(refusal(&json!({})).starts_with("nothing to change"));
        assert!(refusal(&json!({"request": {"set": {}}})).starts_with("nothing to change"));
        assert!(refusal(&json!({"request": {"prepend": {}}})).contains("`prepend`"));
        assert!(refusal(&json!({"request": {"set": {"a": 1}}})).contains("expected a string"));
        let empty = refusal(&json!({"response": {"remove": [""]}}));
        assert_eq!(empty, "response.remove: an empty name");
        let operator = refusal(&json!({"response": {"set": {"A": "x %REQ(a)%"}}}));
        let wanted = "response.set.A: %REQ% says nothing of responses at offset 2";
        assert_eq!(operator, wanted);
        let twice = refusal(&json!({"request": {"set": {"A": "1", "a": "2"}}}));
        assert_eq!(twice, "request.set: `a` in two spellings");
    }
}
