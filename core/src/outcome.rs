//! How an exchange ended, in terms every protocol shares.
//!
//! Each codec has one table from its own words to an [`Outcome`] and one table back. Retries,
//! ejection, metrics and replies look at nothing else.

use std::borrow::Cow;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// Who failed, if somebody did.
    pub party: Party,
    /// Whether the callee may have done the work.
    pub executed: Executed,
    /// What happened.
    pub code: Code,
}

/// Who brought an outcome about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Party {
    /// Nobody failed.
    Nobody,
    /// The caller: a malformed request, or it went away.
    Caller,
    /// The proxy: no route, a limit, a policy.
    Proxy,
    /// The network between proxy and callee: connect failure, reset.
    Network,
    /// The callee's framework or process, not its business logic.
    Infrastructure,
    /// The callee's business logic. Says nothing about the callee's health.
    Business,
}

/// Whether the callee may have done the work.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Executed {
    /// Certainly not; the request may be sent elsewhere.
    No,
    /// Nobody can tell.
    Maybe,
    /// It did.
    Yes,
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Code {
    /// The callee answered.
    Ok,
    /// The callee's business logic answered with an error of its own.
    BusinessError,
    /// The request is not one: malformed, or of a serialization nobody reads.
    BadRequest,
    /// No route, or no such service.
    NotFound,
    /// The service has no such method.
    Unimplemented,
    /// No healthy endpoint, or it went away.
    Unavailable,
    /// The deadline passed.
    TimedOut,
    /// A limit of concurrency or queueing was hit, or the server drains.
    Overloaded,
    /// A rate limit was hit.
    RateLimited,
    /// The caller may not do this.
    Denied,
    /// The caller went away or gave up.
    Cancelled,
    /// The callee's answer could not be understood.
    BadResponse,
    /// The callee failed in its framework, or in a way it did not tell.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 13] = [
        Self::Ok,
        Self::BusinessError,
        Self::BadRequest,
        Self::NotFound,
        Self::Unimplemented,
        Self::Unavailable,
        Self::TimedOut,
        Self::Overloaded,
        Self::RateLimited,
        Self::Denied,
        Self::Cancelled,
        Self::BadResponse,
        Self::Internal,
    ];

    /// Name in configuration, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::BusinessError => "business_error",
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::Unimplemented => "unimplemented",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::BadResponse => "bad_response",
            Self::Internal => "internal",
        }
    }

    /// The code of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

impl Party {
    /// Name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Caller => "caller",
            Self::Proxy => "proxy",
            Self::Network => "network",
            Self::Infrastructure => "infrastructure",
            Self::Business => "business",
        }
    }
}

impl Outcome {
    /// The callee answered.
    pub const OK: Self = Self::new(Party::Nobody, Executed::Yes, Code::Ok);
    /// The callee's business logic failed, and said so.
    pub const BUSINESS_ERROR: Self = Self::new(Party::Business, Executed::Yes, Code::BusinessError);

    /// An outcome of these three.
    pub const fn new(party: Party, executed: Executed, code: Code) -> Self {
        Self {
            party,
            executed,
            code,
        }
    }

    /// The proxy refused the request before anybody else saw it.
    pub const fn refused(code: Code) -> Self {
        Self::new(Party::Proxy, Executed::No, code)
    }

    /// Whether the callee answered without an error of any kind.
    pub fn is_ok(self) -> bool {
        self.code == Code::Ok
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self::OK
    }
}

/// An answer that the proxy gives itself; each codec writes it in its protocol's words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// How the exchange ended.
    pub outcome: Outcome,
    /// What the caller's developer reads, in plain text.
    pub message: Cow<'static, str>,
}

impl Reply {
    /// An answer of `outcome` that says `message`.
    pub fn new(outcome: Outcome, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            outcome,
            message: message.into(),
        }
    }

    /// The proxy's own refusal.
    pub fn refused(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Outcome::refused(code), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_name() {
        for code in Code::ALL {
            assert_eq!(Code::from_name(code.as_str()), Some(code));
        }
        assert_eq!(Code::from_name("nonsense"), None);
    }
}
