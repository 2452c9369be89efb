//! Retries, deadlines and budgets.

use std::time::Duration;

use sabir_proxy::config::resolved::Snapshot;
use sabir_router::action::{Action, CallerDeadline, Forward};
use sabir_router::limits::Retries;
use sabir_router::retry::{BackOff, Repeatable, RetryOn, RetryPolicy};

use crate::toy::{errors, resolve, with};

const ROUTE: &str = "route: {cluster: a}";

fn route(more: &str) -> String {
    with(ROUTE, &format!("route: {{cluster: a, {more}}}"))
}

fn forward(snapshot: &Snapshot) -> &Forward {
    let route = snapshot.listeners[0].routes.route(0);
    match &route.expect("there is one").rule.action {
        Action::Forward(forward) => forward,
        Action::DirectResponse(_) => panic!("it forwards"),
    }
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn deadlines() {
    let snapshot = resolve(&route("timeout: 0s"));
    let plain = forward(&snapshot);
    assert_eq!((plain.timeout, plain.idle_timeout), (None, None));
    assert_eq!(plain.caller_deadline, CallerDeadline::Auto);
    assert!(!plain.forward_deadline && plain.retry.is_none());
    let given = "idle_timeout: 5s, caller_deadline: READ, forward_deadline: true";
    let snapshot = resolve(&route(given));
    let given = forward(&snapshot);
    assert_eq!(given.idle_timeout, Some(millis(5_000)));
    assert_eq!(given.caller_deadline, CallerDeadline::Read);
    assert!(given.forward_deadline);
}

#[test]
fn a_policy_and_its_defaults() {
    let snapshot = resolve(&route("retry_policy: {retry_on: reset}"));
    let least = RetryPolicy {
        on: RetryOn::RESET.or(RetryOn::RESET_BEFORE_REQUEST),
        num_retries: 1,
        per_try_timeout: None,
        back_off: BackOff::default(),
        repeatable: Repeatable::AsProtocolSays,
    };
    assert_eq!(forward(&snapshot).retry.as_ref(), Some(&least));
    let snapshot = resolve(&route(
        "retry_policy: {retry_on: ' connect-failure,internal ', num_retries: 0, \
         per_try_timeout: 0.5s, retry_back_off: {base_interval: 0.01s}, idempotent_methods: [a]}",
    ));
    let full = RetryPolicy {
        on: RetryOn::CONNECT_FAILURE.or(RetryOn::INTERNAL),
        num_retries: 0,
        per_try_timeout: Some(millis(500)),
        back_off: BackOff {
            base: millis(10),
            max: millis(100),
        },
        repeatable: Repeatable::Methods(["a".into()].into()),
    };
    assert_eq!(forward(&snapshot).retry.as_ref(), Some(&full));
}

#[test]
fn wrong_policies_are_refused() {
    let path = "listeners[0].route_configuration.routes[0].route.retry_policy";
    for (given, fault) in [
        ("num_retries: 1", ".retry_on: required, but absent"),
        (
            "retry_on: reset, retry_back_off: {base_interval: 0s}",
            ".retry_back_off.base_interval: more than 0s is required",
        ),
        (
            "retry_on: reset, retry_back_off: {base_interval: 1s, max_interval: 0.5s}",
            ".retry_back_off.max_interval: 500ms is too short; it is at least 1s",
        ),
        (
            "retry_on: reset, idempotent: true, idempotent_methods: [a]",
            ".idempotent_methods: not together with `idempotent`",
        ),
        (
            "retry_on: reset, idempotent_methods: ['']",
            ".idempotent_methods[0]: required, but absent",
        ),
    ] {
        let found = errors(&route(&format!("retry_policy: {{{given}}}")));
        assert!(found.starts_with("f:7:"), "{found}");
        let told = format!(" {path}{fault}");
        assert!(found.ends_with(&told), "{found}");
    }
    let misspelled = errors(&route("retry_policy: {retry_on: conect-failure}"));
    assert!(
        misspelled.ends_with(
            "there is no condition to retry on `conect-failure`; did you mean `connect-failure`?"
        ),
        "{misspelled}"
    );
}

#[test]
fn budgets() {
    let retries = |given: &str| {
        let text = with(
            "- name: a",
            &format!("- name: a\n  circuit_breakers: {{{given}}}"),
        );
        resolve(&text).clusters[0].breaker_limits.retries
    };
    assert_eq!(retries(""), Retries::Most(3));
    assert_eq!(retries("max_retries: 0"), Retries::Most(0));
    let budget = |percent, min| Retries::Budget { percent, min };
    assert_eq!(retries("retry_budget: {}"), budget(20, 3));
    let given = "retry_budget: {budget_percent: 5, min_retry_concurrency: 0}";
    assert_eq!(retries(given), budget(5, 0));
}

#[test]
fn wrong_budgets_are_refused() {
    let refused = |given: &str| {
        let lines = format!("- name: a\n  circuit_breakers: {{{given}}}");
        errors(&with("- name: a", &lines))
    };
    let both = refused("max_retries: 1, retry_budget: {}");
    assert!(
        both.ends_with(".max_retries: not together with `retry_budget`"),
        "{both}"
    );
    let much = refused("retry_budget: {budget_percent: 101}");
    let fault = ".retry_budget.budget_percent: 101 is out of range; it can be from 0 to 100";
    assert!(much.ends_with(fault), "{much}");
}
