//! Outcomes as statuses, and back. RFC 9110 §15.

use sabir_core::outcome::{Code, Executed, Outcome, Party};

/// What a response of this status says about its exchange.
///
/// 4xx are mostly the business of whoever wrote the service, and say nothing about its health.
pub(super) fn outcome(status: u16) -> Outcome {
    use {Code as C, Executed as E, Party as P};
    let (party, executed, code) = match status {
        100..=399 => return Outcome::OK,
        400 | 411 | 413..=417 | 426 | 431 => (P::Caller, E::No, C::BadRequest),
        401 | 403 | 407 | 451 => (P::Business, E::No, C::Denied),
        404 | 410 => (P::Business, E::Yes, C::NotFound),
        405 => (P::Business, E::No, C::Unimplemented),
        408 => (P::Caller, E::No, C::TimedOut),
        421 => (P::Infrastructure, E::No, C::NotFound),
        429 => (P::Infrastructure, E::No, C::RateLimited),
        400..=499 => (P::Business, E::Yes, C::BusinessError),
        501 | 505 => (P::Infrastructure, E::No, C::Unimplemented),
        502 => (P::Infrastructure, E::Maybe, C::BadResponse),
        503 => (P::Infrastructure, E::Maybe, C::Unavailable),
        504 => (P::Infrastructure, E::Maybe, C::TimedOut),
        _ => (P::Infrastructure, E::Maybe, C::Internal),
    };
    Outcome::new(party, executed, code)
}

/// Status of a response of our own.
pub(super) fn of_outcome(outcome: Outcome) -> u16 {
    match (outcome.code, outcome.party) {
        (Code::Ok, _) => 200,
        (Code::BadRequest, _) => 400,
        (Code::Denied, _) => 403,
        (Code::NotFound, _) => 404,
        (Code::TimedOut, Party::Caller) => 408,
        (Code::RateLimited, _) => 429,
        (Code::Unimplemented, _) => 501,
        (Code::BadResponse, _) => 502,
        // No endpoint, as against one that could not be reached or broke off.
        (Code::Unavailable, Party::Network | Party::Infrastructure) => 502,
        (Code::Unavailable | Code::Overloaded | Code::Cancelled, _) => 503,
        (Code::TimedOut, _) => 504,
        _ => 500,
    }
}

/// The reason phrase of a status; empty for those that have none here.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_say_reads_back_as_the_same_kind_of_failure() {
        for code in Code::ALL {
            let said = of_outcome(Outcome::refused(code));
            assert_eq!(
                outcome(said).is_ok(),
                code == Code::Ok,
                "{code:?} as {said}"
            );
            assert!(!reason(said).is_empty(), "{said}");
        }
        let lost = Outcome::new(Party::Network, Executed::Maybe, Code::Unavailable);
        assert_eq!(of_outcome(lost), 502);
        assert_eq!(of_outcome(Outcome::refused(Code::Unavailable)), 503);
        assert_eq!(of_outcome(Outcome::refused(Code::TimedOut)), 504);
    }

    #[test]
    fn statuses_below_400_are_success_and_others_are_not() {
        for status in 100..=999 {
            assert_eq!(outcome(status).is_ok(), status < 400, "{status}");
        }
    }
}
