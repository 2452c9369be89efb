//! Exceptions: the JSON of `M_e`, and what its numbers mean.
//!
//! Callers retry an exception of type 0 or 1 and hold it against the endpoint; one of type 2 is the
//! callee's own, and goes to the application.
//!
//! Specification: `ExceptionUtil`, `MotanErrorMsgConstant` of weibocom/motan, `exception.go` and
//! `constants.go` of weibocom/motan-go.

use sabir_core::outcome::{Code, Executed, Outcome, Party};
use serde::Deserialize;

use super::metadata::{self, Pairs};

/// An exception's type that means the framework, which Java raises of itself.
const FRAMEWORK: i64 = 0;
/// The type that means the service: whoever stands between caller and callee.
pub(super) const SERVICE: i64 = 1;
/// The type that means the callee's business logic.
pub(super) const BUSINESS: i64 = 2;

/// An exception as its numbers say it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub(super) struct Exception {
    /// Code.
    #[serde(rename = "errcode", default)]
    pub(super) code: i64,
    /// Type.
    #[serde(rename = "errtype", default)]
    pub(super) kind: i64,
}

impl Exception {
    /// What tells a caller of `code`.
    ///
    /// Never 404: with some messages it makes Java clients close their pool for good. A rate limit
    /// or denial is a type that callers do not retry.
    pub(super) fn of(code: Code) -> Self {
        let (code, kind) = match code {
            Code::BadRequest => (400, BUSINESS),
            Code::Denied => (403, BUSINESS),
            Code::RateLimited => (10002, BUSINESS),
            Code::BusinessError => (30001, BUSINESS),
            Code::Unimplemented => (501, SERVICE),
            Code::Overloaded => (10002, SERVICE),
            Code::TimedOut => (10003, SERVICE),
            Code::Cancelled => (10004, SERVICE),
            Code::NotFound => (10101, SERVICE),
            _ => (10001, SERVICE),
        };
        Self { code, kind }
    }

    /// What tells a caller that its request is too long.
    pub(super) const TOO_LONG: Self = Self {
        code: 10201,
        kind: SERVICE,
    };

    /// The value of `M_e`, with `message`.
    pub(super) fn to_json(self, message: &str) -> String {
        let Self { code, kind } = self;
        let message = serde_json::Value::from(message);
        format!(r#"{{"errcode":{code},"errmsg":{message},"errtype":{kind}}}"#)
    }

    /// How a call with this exception ended.
    fn outcome(self) -> Outcome {
        use Executed::{Maybe, No, Yes};
        use Party::{Caller, Infrastructure};
        if self.kind == BUSINESS {
            return Outcome::BUSINESS_ERROR;
        }
        let (party, executed, code) = match self.code {
            404 | 10101 => (Infrastructure, No, Code::NotFound),
            501 => (Infrastructure, No, Code::Unimplemented),
            1001 | 1002 => (Infrastructure, No, Code::Unavailable),
            10002 => (Infrastructure, No, Code::Overloaded),
            10003 => (Infrastructure, Maybe, Code::TimedOut),
            10004 => (Infrastructure, Maybe, Code::Cancelled),
            10201 => (Caller, No, Code::BadRequest),
            // The callee could not write its answer, or the asker not read it.
            20002 if self.kind == FRAMEWORK => (Infrastructure, Yes, Code::BadResponse),
            20003 if self.kind == FRAMEWORK => (Infrastructure, Maybe, Code::BadResponse),
            // motan-go says 400 and 500 for whatever goes wrong on its way.
            _ => (Infrastructure, Maybe, Code::Internal),
        };
        Outcome::new(party, executed, code)
    }
}

/// How the call ended that `wire`, a response whose status is not zero, answers.
pub(super) fn outcome(wire: &[u8]) -> Outcome {
    let exception = Pairs::of(wire)
        .flatten()
        .filter(|pair| pair.key.of(wire) == metadata::EXCEPTION)
        .last()
        .and_then(|pair| serde_json::from_slice(pair.value.of(wire)).ok());
    // Java makes a service exception of what it cannot read.
    let unknown = Exception {
        code: 10001,
        kind: SERVICE,
    };
    exception.unwrap_or(unknown).outcome()
}
