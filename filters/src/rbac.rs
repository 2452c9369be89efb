//! Lets requests pass or refuses them, by rules on what is called and who calls.
//!
//! Named as in Envoy's `envoy.filters.http.rbac`, for every protocol:
//!
//! ```yaml
//! filters:
//! - type: rbac
//!   config:
//!     rules:
//!       action: ALLOW
//!       policies:
//!         readers:
//!           permissions: [{metadata: {method: {prefix: find}}}]
//!           principals: [{direct_remote_ip: {address_prefix: 10.0.0.0, prefix_len: 8}}]
//!         admins:
//!           permissions: [{any: true}]
//!           principals: [{metadata: {tenant: {exact: admin}}}]
//! ```
//!
//! A policy holds if any of its permissions and any of its principals does. `ALLOW` lets pass what
//! a policy holds for, and refuses everything else; `DENY` is the reverse. Without `rules`
//! everything passes. Metadata is what the caller says of itself: only what somebody trusted has
//! put there tells who it is. Who is refused gets `denied` in the words of its protocol: 403 in
//! HTTP, `PERMISSION_DENIED` in gRPC, `FORBIDDEN_EXCEPTION` in Dubbo.
//!
//! Counted as `allowed` or `denied`, and by `shadow_rules`, which refuse nothing, as
//! `shadow_allowed` or `shadow_denied`.

mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

use sabir_core::filter::{Context, Filter, Flow};
use sabir_core::head::Head;
use sabir_core::outcome::{Code, Reply};
use sabir_core::protocol::OptionsError;
use serde::Deserialize;
use serde_json::Value;

use self::rule::Rule;
pub use self::rule::{Permission, PortRange, Principal};
use crate::setting::{self, wrong};

/// Name of the type in configuration.
pub const TYPE: &str = "rbac";

/// What configuration can say. At least one of the two is required.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Decide. Absent: everything passes.
    pub rules: Option<Rules>,
    /// Are only counted, to see what they would do. Absent: none.
    pub shadow_rules: Option<Rules>,
}

/// Policies, and what is done with the requests that one of them holds for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Absent: `ALLOW`.
    #[serde(default)]
    pub action: Action,
    /// By name, which says what they are for. Without any, `ALLOW` refuses everything.
    #[serde(default)]
    pub policies: BTreeMap<String, Policy>,
}

/// What is done with the requests that a policy holds for; the opposite is done with the others.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// They pass.
    #[default]
    Allow,
    /// They are refused.
    Deny,
}

/// Holds if any permission and any principal does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What is called. At least one.
    pub permissions: Vec<Permission>,
    /// Who calls. At least one.
    pub principals: Vec<Principal>,
}

/// The filter.
#[derive(Debug)]
pub struct Rbac {
    rules: Option<Engine>,
    shadow_rules: Option<Engine>,
}

/// [`Rules`], compiled.
#[derive(Debug)]
struct Engine {
    action: Action,
    /// Permissions and principals of each policy.
    policies: Box<[(Rule, Rule)]>,
}

impl Rbac {
    /// A filter that decides so.
    ///
    /// # Errors
    ///
    /// Says which rule makes no sense, or that there is none.
    pub fn new(config: &Config) -> Result<Self, OptionsError> {
        if config.rules.is_none() && config.shadow_rules.is_none() {
            let message = "nothing to decide: give rules or shadow_rules";
            return Err(OptionsError(message.to_owned()));
        }
        let compile = |path: &str, rules: &Option<Rules>| {
            let rules = rules.as_ref().map(|rules| rules.compile(path));
            rules.transpose()
        };
        Ok(Self {
            rules: compile("rules", &config.rules)?,
            shadow_rules: compile("shadow_rules", &config.shadow_rules)?,
        })
    }
}

impl Filter for Rbac {
    fn results(&self) -> &'static [&'static str] {
        &["allowed", "denied", "shadow_allowed", "shadow_denied"]
    }

    fn on_request(&self, request: &mut Head, cx: &mut Context) -> Flow {
        if let Some(shadow) = &self.shadow_rules {
            cx.count(match shadow.allows(request, cx) {
                true => SHADOW_ALLOWED,
                false => SHADOW_DENIED,
            });
        }
        let Some(rules) = &self.rules else {
            return Flow::Skip;
        };
        if rules.allows(request, cx) {
            cx.count(ALLOWED);
            return Flow::Skip;
        }
        cx.count(DENIED);
        // Which policy, is none of the caller's business.
        Flow::Reply(Reply::refused(Code::Denied, "access denied"))
    }
}

impl Rules {
    fn compile(&self, path: &str) -> Result<Engine, OptionsError> {
        let policies = self.policies.iter().map(|(name, policy)| {
            let path = format!("{path}.policies.{name}");
            let permissions = format!("{path}.permissions");
            let principals = format!("{path}.principals");
            if policy.permissions.is_empty() {
                return Err(wrong(&permissions, "at least one; {any: true} is all"));
            }
            if policy.principals.is_empty() {
                return Err(wrong(&principals, "at least one; {any: true} is all"));
            }
            Ok((
                Permission::any_of(&policy.permissions, &permissions, 1)?,
                Principal::any_of(&policy.principals, &principals, 1)?,
            ))
        });
        Ok(Engine {
            action: self.action,
            policies: policies.collect::<Result<_, _>>()?,
        })
    }
}

impl Engine {
    fn allows(&self, request: &Head, cx: &Context) -> bool {
        let holds = self
            .policies
            .iter()
            .any(|(what, who)| what.holds(request, cx) && who.holds(request, cx));
        holds == (self.action == Action::Allow)
    }
}

/// Makes the filter from its `config`.
///
/// # Errors
///
/// What does not follow [`Config`], with the path of the field.
pub fn factory(config: &Value) -> Result<Arc<dyn Filter>, OptionsError> {
    let config: Config = setting::read(config)?;
    Ok(Arc::new(Rbac::new(&config)?))
}

// Positions in the list of results.
const ALLOWED: u8 = 0;
const DENIED: u8 = 1;
const SHADOW_ALLOWED: u8 = 2;
const SHADOW_DENIED: u8 = 3;

#[cfg(test)]
#[path = "rbac_tests.rs"]
mod tests;
