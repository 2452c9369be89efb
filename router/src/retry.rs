//! Whether, how often and when a request that failed is sent again.
//!
//! What counts is what became of it, in terms every protocol shares: a [`Failure`] and its
//! [`Outcome`]. A request that the callee may have acted on is repeated only if that does no harm,
//! and an answer of the callee's business logic is an answer, whatever it says.

use std::time::Duration;

use sabir_core::head::Head;
use sabir_core::outcome::{Code, Executed, Outcome, Party};

/// Whether, how often and when a request that failed is sent again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RetryPolicy {
    /// After what.
    pub on: RetryOn,
    /// How often, beside the first time.
    pub num_retries: u32,
    /// How long one attempt may take until its answer begins; then it counts as failed. `None`: as
    /// long as the whole may.
    pub per_try_timeout: Option<Duration>,
    /// How long to wait before.
    pub back_off: BackOff,
    /// Which requests the callee may do twice.
    pub repeatable: Repeatable,
}

/// How a request failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// No connection could be established.
    Connect,
    /// The connection ended before it took any of the request.
    BeforeRequest,
    /// The endpoint said that it did not look at it.
    Refused,
    /// The connection ended, or the endpoint gave the request up, before the answer began.
    Reset,
    /// The attempt took too long.
    PerTryTimeout,
    /// The endpoint answered so.
    Answered,
}

/// What retries follow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RetryOn(u16);

/// Requests that the callee may do twice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Repeatable {
    /// Those of which the protocol itself says so, as HTTP does of GET.
    #[default]
    AsProtocolSays,
    /// Those of these methods, too.
    Methods(Box<[Box<str>]>),
    /// All of them.
    All,
}

/// Time between attempts: at random up to a limit that doubles each time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BackOff {
    /// The limit before the first retry.
    pub base: Duration,
    /// The limit's limit.
    pub max: Duration,
}

impl RetryPolicy {
    /// Whether `request`, which failed so and with `outcome`, is one to send again.
    pub fn covers(&self, failure: Failure, outcome: Outcome, request: &Head) -> bool {
        let answered = failure == Failure::Answered;
        let ours = match outcome.party {
            Party::Proxy | Party::Network | Party::Infrastructure => true,
            // Endpoints say so of what they gave up themselves, too; our own caller still waits.
            Party::Caller => answered && outcome.code == Code::Cancelled,
            Party::Business | Party::Nobody => false,
        };
        let harmless = outcome.executed == Executed::No || self.repeatable.has(request);
        ours && harmless && self.on.has(failure, outcome) && !(answered && outcome.is_ok())
    }
}

impl RetryOn {
    /// No connection could be established.
    pub const CONNECT_FAILURE: Self = Self(1);
    /// The connection ended before it took any of the request.
    pub const RESET_BEFORE_REQUEST: Self = Self(1 << 1);
    /// The endpoint says that it did not look at it.
    pub const REFUSED: Self = Self(1 << 2);
    /// The connection ended, or the endpoint gave the request up, without an answer.
    pub const RESET: Self = Self(1 << 3);
    /// An answer of [`Code::Unavailable`].
    pub const UNAVAILABLE: Self = Self(1 << 4);
    /// An answer of [`Code::Overloaded`].
    pub const OVERLOADED: Self = Self(1 << 5);
    /// An attempt that took too long, for us or for the endpoint.
    pub const TIMED_OUT: Self = Self(1 << 6);
    /// An answer of [`Code::RateLimited`].
    pub const RATE_LIMITED: Self = Self(1 << 7);
    /// An answer of [`Code::Internal`].
    pub const INTERNAL: Self = Self(1 << 8);
    /// An answer of [`Code::BadResponse`].
    pub const BAD_RESPONSE: Self = Self(1 << 9);
    /// An answer of [`Code::Cancelled`].
    pub const CANCELLED: Self = Self(1 << 10);
    /// An answer of [`Code::NotFound`] or [`Code::Unimplemented`]: another version may have it.
    pub const UNIMPLEMENTED: Self = Self(1 << 11);

    /// What the HTTP statuses 502, 503 and 504 stand for, and what ends without an answer.
    pub const GATEWAY_ERROR: Self = Self(
        Self::CONNECT_FAILURE.0
            | Self::RESET_BEFORE_REQUEST.0
            | Self::REFUSED.0
            | Self::RESET.0
            | Self::UNAVAILABLE.0
            | Self::OVERLOADED.0
            | Self::TIMED_OUT.0
            | Self::BAD_RESPONSE.0,
    );

    /// The words of configuration, in the order they are listed: xDS's, in its sense, and the names
    /// of codes.
    pub const WORDS: [(&'static str, Self); 17] = [
        ("connect-failure", Self::CONNECT_FAILURE),
        ("reset-before-request", Self::RESET_BEFORE_REQUEST),
        ("refused-stream", Self::REFUSED),
        ("reset", Self(Self::RESET.0 | Self::RESET_BEFORE_REQUEST.0)),
        ("gateway-error", Self::GATEWAY_ERROR),
        ("5xx", Self(Self::GATEWAY_ERROR.0 | Self::INTERNAL.0)),
        ("unavailable", Self::UNAVAILABLE),
        ("overloaded", Self::OVERLOADED),
        ("timed-out", Self::TIMED_OUT),
        ("deadline-exceeded", Self::TIMED_OUT),
        ("rate-limited", Self::RATE_LIMITED),
        (
            "resource-exhausted",
            Self(Self::RATE_LIMITED.0 | Self::OVERLOADED.0),
        ),
        ("internal", Self::INTERNAL),
        ("bad-response", Self::BAD_RESPONSE),
        ("cancelled", Self::CANCELLED),
        ("unimplemented", Self::UNIMPLEMENTED),
        ("not-found", Self::UNIMPLEMENTED),
    ];

    /// What `word` of configuration means.
    pub fn from_word(word: &str) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(known, _)| *known == word);
        found.map(|&(_, on)| on)
    }

    /// Both.
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, failure: Failure, outcome: Outcome) -> bool {
        let wanted = match failure {
            Failure::Connect => Self::CONNECT_FAILURE,
            Failure::BeforeRequest => Self::RESET_BEFORE_REQUEST,
            Failure::Refused => Self::REFUSED,
            Failure::Reset => Self::RESET,
            Failure::PerTryTimeout => Self::TIMED_OUT,
            Failure::Answered => Self::of_answer(outcome),
        };
        self.0 & wanted.0 != 0
    }

    /// Whatever an answer of `outcome` counts as.
    fn of_answer(outcome: Outcome) -> Self {
        let of_code = match outcome.code {
            Code::Unavailable => Self::UNAVAILABLE,
            Code::Overloaded => Self::OVERLOADED,
            Code::TimedOut => Self::TIMED_OUT,
            Code::RateLimited => Self::RATE_LIMITED,
            Code::Internal => Self::INTERNAL,
            Code::BadResponse => Self::BAD_RESPONSE,
            Code::Cancelled => Self::CANCELLED,
            Code::NotFound | Code::Unimplemented => Self::UNIMPLEMENTED,
            _ => Self::default(),
        };
        let busy = matches!(outcome.code, Code::Unavailable | Code::Overloaded);
        match busy && outcome.executed == Executed::No {
            true => of_code.or(Self::REFUSED),
            false => of_code,
        }
    }
}

impl Repeatable {
    fn has(&self, request: &Head) -> bool {
        match self {
            _ if request.idempotent => true,
            Self::AsProtocolSays => false,
            Self::Methods(methods) => {
                let mut methods = methods.iter().map(|method| method.as_bytes());
                methods.any(|method| method == request.method())
            }
            Self::All => true,
        }
    }
}

impl BackOff {
    /// The time before the retry that follows `retries` others; `random` is uniform over all 64
    /// bits.
    pub fn delay(self, retries: u32, random: u64) -> Duration {
        let limit = self.base.saturating_mul(1 << retries.min(20)).min(self.max);
        // A share of 2^32, which loses nothing that matters.
        let nanos = (limit.as_nanos() * u128::from(random >> 32)) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Default for BackOff {
    /// As Envoy: up to 25 ms, at last up to 250 ms.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(25),
            max: Duration::from_millis(250),
        }
    }
}

#[cfg(test)]
mod tests {
    use sabir_core::bytes::Bytes;
    use sabir_core::head::Kind;
    use sabir_core::name::Field;

    use super::*;

    fn policy(words: &[&str], repeatable: Repeatable) -> RetryPolicy {
        let words = words.iter().map(|word| RetryOn::from_word(word).unwrap());
        RetryPolicy {
            on: words.fold(RetryOn::default(), RetryOn::or),
            num_retries: 1,
            per_try_timeout: None,
            back_off: BackOff::default(),
            repeatable,
        }
    }

    fn request(method: &[u8]) -> Head {
        let mut head = Head::new("toy", Kind::Request, Bytes::new(), |_, _| {});
        head.set_field_decoded(Field::Method, method);
        head
    }

    fn answer(party: Party, executed: Executed, code: Code) -> Outcome {
        Outcome::new(party, executed, code)
    }

    #[test]
    fn business_is_never_repeated_and_neither_is_the_callers_fault() {
        let words: Vec<_> = RetryOn::WORDS.iter().map(|(word, _)| *word).collect();
        let all = policy(&words, Repeatable::All);
        for code in Code::ALL {
            for party in [Party::Business, Party::Caller, Party::Nobody] {
                let outcome = answer(party, Executed::No, code);
                let covered = all.covers(Failure::Answered, outcome, &request(b"m"));
                let given_up = party == Party::Caller && code == Code::Cancelled;
                assert_eq!(covered, given_up, "{outcome:?}");
            }
        }
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_if_that_does_no_harm() {
        let maybe = answer(Party::Infrastructure, Executed::Maybe, Code::Unavailable);
        let no = answer(Party::Infrastructure, Executed::No, Code::Unavailable);
        let covers = |repeatable, outcome, request: &Head| {
            policy(&["unavailable"], repeatable).covers(Failure::Answered, outcome, request)
        };
        let methods = || Repeatable::Methods(["find".into()].into());
        assert!(covers(Repeatable::AsProtocolSays, no, &request(b"save")));
        assert!(!covers(
            Repeatable::AsProtocolSays,
            maybe,
            &request(b"save")
        ));
        assert!(covers(Repeatable::All, maybe, &request(b"save")));
        assert!(!covers(methods(), maybe, &request(b"save")));
        assert!(covers(methods(), maybe, &request(b"find")));
        let mut get = request(b"save");
        get.idempotent = true;
        assert!(covers(Repeatable::AsProtocolSays, maybe, &get));
    }

    #[test]
    fn words_mean_what_they_say() {
        use Failure as F;
        let lost = answer(Party::Network, Executed::Maybe, Code::Unavailable);
        let busy = answer(Party::Infrastructure, Executed::No, Code::Overloaded);
        let late = answer(Party::Infrastructure, Executed::Maybe, Code::TimedOut);
        let table = [
            ("connect-failure", F::Connect, lost, true),
            ("connect-failure", F::Reset, lost, false),
            ("reset", F::Reset, lost, true),
            ("reset", F::BeforeRequest, lost, true),
            ("reset", F::PerTryTimeout, late, false),
            ("reset-before-request", F::Reset, lost, false),
            ("refused-stream", F::Refused, lost, true),
            ("refused-stream", F::Answered, busy, true),
            ("refused-stream", F::Answered, lost, false),
            ("overloaded", F::Answered, busy, true),
            ("unavailable", F::Answered, busy, false),
            ("unavailable", F::Reset, lost, false),
            ("timed-out", F::PerTryTimeout, late, true),
            ("deadline-exceeded", F::Answered, late, true),
            ("gateway-error", F::Reset, lost, true),
            ("gateway-error", F::Answered, late, true),
            ("5xx", F::Connect, lost, true),
        ];
        for (word, failure, outcome, covered) in table {
            let policy = policy(&[word], Repeatable::All);
            let found = policy.covers(failure, outcome, &request(b"m"));
            assert_eq!(found, covered, "{word} after {failure:?} with {outcome:?}");
        }
        assert_eq!(RetryOn::from_word("sometimes"), None);
    }

    #[test]
    fn delays_double_up_to_a_limit() {
        let back_off = BackOff::default();
        let limit = |retries| back_off.delay(retries, u64::MAX).as_micros().div_ceil(1000);
        let limits: Vec<_> = [0, 1, 2, 3, 4, 1_000].map(limit).to_vec();
        assert_eq!(limits, [25, 50, 100, 200, 250, 250]);
        assert_eq!(back_off.delay(3, 0), Duration::ZERO);
        assert_eq!(back_off.delay(0, 1 << 63), back_off.base / 2);
        let long = BackOff {
            base: Duration::MAX,
            max: Duration::MAX,
        };
        assert!(long.delay(30, u64::MAX) > Duration::from_secs(1));
    }
}
