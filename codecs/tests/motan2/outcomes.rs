//! Exceptions of peers, in the terms that every protocol shares.

use sabir_core::outcome::{Code, Executed, Outcome, Party};

use crate::head;
use crate::messages::{self, response};

fn outcome(code: i64, kind: i64) -> Outcome {
    let json = format!(r#"{{"errcode":{code},"errmsg":"x","errtype":{kind}}}"#);
    head(&response(1, &format!("M_pt\n1\nM_e\n{json}"))).outcome
}

fn infrastructure(executed: Executed, code: Code) -> Outcome {
    Outcome::new(Party::Infrastructure, executed, code)
}

#[test]
fn codes_of_java_and_motan_go_mean_this() {
    use Executed::{Maybe, No};
    for (code, expected) in [
        (404, infrastructure(No, Code::NotFound)),
        (10101, infrastructure(No, Code::NotFound)),
        (501, infrastructure(No, Code::Unimplemented)),
        (1001, infrastructure(No, Code::Unavailable)),
        (1002, infrastructure(No, Code::Unavailable)),
        (10002, infrastructure(No, Code::Overloaded)),
        (10003, infrastructure(Maybe, Code::TimedOut)),
        (10004, infrastructure(Maybe, Code::Cancelled)),
        (10201, Outcome::new(Party::Caller, No, Code::BadRequest)),
        (400, infrastructure(Maybe, Code::Internal)),
        (500, infrastructure(Maybe, Code::Internal)),
        (1003, infrastructure(Maybe, Code::Internal)),
        (1004, infrastructure(Maybe, Code::Internal)),
        (10001, infrastructure(Maybe, Code::Internal)),
        (20001, infrastructure(Maybe, Code::Internal)),
        (-1, infrastructure(Maybe, Code::Internal)),
    ] {
        assert_eq!(outcome(code, 0), expected, "{code}, framework");
        assert_eq!(outcome(code, 1), expected, "{code}, service");
    }
    assert_eq!(
        outcome(20002, 0),
        infrastructure(Executed::Yes, Code::BadResponse)
    );
    assert_eq!(outcome(20003, 0), infrastructure(Maybe, Code::BadResponse));
    assert_eq!(outcome(20002, 1), infrastructure(Maybe, Code::Internal));
    assert_eq!(
        head(&messages::m3()).outcome,
        infrastructure(No, Code::NotFound)
    );
}

#[test]
fn a_business_exception_says_nothing_of_the_endpoint() {
    for code in [30001, 400, 404, 500, 10002] {
        assert_eq!(outcome(code, 2), Outcome::BUSINESS_ERROR, "{code}");
    }
}

#[test]
fn every_status_but_zero_is_an_exception() {
    for status in 1..8 {
        let json = r#"M_e
{"errcode":10003,"errmsg":"slow","errtype":1}"#;
        assert_eq!(
            head(&response(status, json)).outcome.code,
            Code::TimedOut,
            "{status}"
        );
    }
    assert!(head(&response(0, "M_e\n{}")).outcome.is_ok());
}

#[test]
fn an_exception_that_does_not_say_what_it_is_is_one_of_the_service() {
    let unknown = infrastructure(Executed::Maybe, Code::Internal);
    for metadata in [
        "",
        "M_pt\n1",
        "M_e\n",
        "M_e\nnonsense",
        "M_e\n[]",
        "M_e\n{}",
        "M_e\n{\"errcode\":\"404\"}",
        "M_e\n{\"errcode\":404",
        "M_e",
    ] {
        assert_eq!(
            head(&response(1, metadata)).outcome,
            unknown,
            "{metadata:?}"
        );
    }
}

#[test]
fn an_exception_may_hold_more_and_nest() {
    let deep = format!(
        "M_e\n{{\"x\":{}{},\"errtype\":1,\"errcode\":10003}}",
        "[".repeat(50),
        "]".repeat(50)
    );
    assert_eq!(head(&response(1, &deep)).outcome.code, Code::TimedOut);
    // Deeper than anybody reads: no exception that we know, and no crash.
    let deeper = format!("M_e\n{{\"x\":{}", "[".repeat(100_000));
    assert_eq!(head(&response(1, &deeper)).outcome.code, Code::Internal);
}
