//! Statuses of HTTP as outcomes, and back.
//!
//! Specification: RFC 9110 §15.

use sabir_core::outcome::{Code, Executed, Outcome, Party};

/// How an exchange that was answered with `status` ended.
pub(super) fn outcome(status: u16) -> Outcome {
    let (party, executed, code) = match status {
        ..=399 => return Outcome::OK,
        401 | 403 | 407 => (Party::Business, Executed::Yes, Code::Denied),
        408 => (Party::Infrastructure, Executed::Maybe, Code::TimedOut),
        429 => (Party::Infrastructure, Executed::No, Code::RateLimited),
        400..=499 => return Outcome::BUSINESS_ERROR,
        501 => (Party::Infrastructure, Executed::No, Code::Unimplemented),
        502 | 503 => (Party::Infrastructure, Executed::Maybe, Code::Unavailable),
        504 => (Party::Infrastructure, Executed::Maybe, Code::TimedOut),
        _ => (Party::Infrastructure, Executed::Maybe, Code::Internal),
    };
    Outcome::new(party, executed, code)
}

/// Status of an answer of the proxy's own.
pub(super) fn of_outcome(outcome: Outcome) -> u16 {
    match outcome.code {
        Code::Ok => 200,
        Code::BadRequest => 400,
        Code::Denied => 403,
        Code::NotFound => 404,
        Code::RateLimited => 429,
        Code::Unimplemented => 501,
        Code::BadResponse => 502,
        // Nobody can tell whether the callee did it: it was there, and went away.
        Code::Unavailable if outcome.executed != Executed::No => 502,
        Code::Unavailable | Code::Overloaded => 503,
        Code::TimedOut => 504,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_tell_business_from_infrastructure() {
        for status in [200, 204, 302, 304] {
            assert!(outcome(status).is_ok(), "{status}");
        }
        for status in [400, 404, 409, 422] {
            assert_eq!(outcome(status).party, Party::Business, "{status}");
        }
        for status in [429, 500, 501, 502, 503, 504, 599] {
            assert_eq!(outcome(status).party, Party::Infrastructure, "{status}");
        }
    }

    #[test]
    fn replies_have_the_status_that_clients_expect() {
        for (code, status) in [
            (Code::BadRequest, 400),
            (Code::NotFound, 404),
            (Code::RateLimited, 429),
            (Code::Unavailable, 503),
            (Code::Overloaded, 503),
            (Code::TimedOut, 504),
            (Code::Internal, 500),
        ] {
            assert_eq!(of_outcome(Outcome::refused(code)), status, "{code:?}");
        }
        let lost = Outcome::new(Party::Network, Executed::Maybe, Code::Unavailable);
        assert_eq!(of_outcome(lost), 502);
    }
}
