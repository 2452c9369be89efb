//! A filter that lets only known tenants pass. It works for every protocol.

use std::sync::Arc;

use sabir::core::filter::{Context, Filter, Flow};
use sabir::core::head::Head;
use sabir::core::name::Name;
use sabir::core::outcome::{Code, Reply};
use sabir::core::protocol::OptionsError;
use sabir::core::serde_json::Value;

/// Lets only known tenants pass.
pub struct Tenants {
    name: Name,
    known: Vec<String>,
}

/// Makes the filter from `config: {known: [a, b]}`.
pub fn factory(config: &Value) -> Result<Arc<dyn Filter>, OptionsError> {
    let known = config.get("known").and_then(Value::as_array);
    let known: Option<Vec<String>> = known.and_then(|names| {
        let name = |value: &Value| value.as_str().map(str::to_owned);
        names.iter().map(name).collect()
    });
    let known = known.ok_or_else(|| OptionsError("`known` is a list of names".to_owned()))?;
    let name = Name::new("tenant");
    Ok(Arc::new(Tenants { name, known }))
}

impl Filter for Tenants {
    fn on_request(&self, request: &mut Head, _: &mut Context) -> Flow {
        let known = |tenant: &[u8]| self.known.iter().any(|k| k.as_bytes() == tenant);
        if request.any(&self.name, known) {
            return Flow::Continue;
        }
        Flow::Reply(Reply::refused(Code::Denied, "unknown tenant"))
    }
}
