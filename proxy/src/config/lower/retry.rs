//! Retry policies of routes, and budgets of clusters.

use std::time::Duration;

use sabir_proto::config::v1;
use sabir_proto::path::FieldPath;
use sabir_router::limits::Retries;
use sabir_router::retry::{BackOff, Repeatable, RetryOn, RetryPolicy};

use super::problem::{Fault, Problems};

/// The policy at `path`.
pub(super) fn policy(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::RetryPolicy,
) -> RetryPolicy {
    let per_try = path.field("per_try_timeout");
    RetryPolicy {
        on: retry_on(problems, &path.field("retry_on"), &given.retry_on),
        num_retries: given.num_retries.unwrap_or(1),
        per_try_timeout: problems.timeout(&per_try, given.per_try_timeout.as_ref(), Duration::ZERO),
        back_off: back_off(
            problems,
            &path.field("retry_back_off"),
            given.retry_back_off.as_ref(),
        ),
        repeatable: repeatable(problems, path, given),
    }
}

fn retry_on(problems: &mut Problems, path: &FieldPath<'_>, given: &str) -> RetryOn {
    if given.trim().is_empty() {
        problems.add(path, Fault::Required);
    }
    let words = given
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words.fold(RetryOn::default(), |on, word| {
        let Some(more) = RetryOn::from_word(word) else {
            let known = RetryOn::WORDS.iter().map(|(word, _)| *word);
            problems.unknown(path, "condition to retry on", word, known);
            return on;
        };
        on.or(more)
    })
}

fn back_off(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: Option<&v1::RetryBackOff>,
) -> BackOff {
    let default = BackOff::default();
    let Some(given) = given else { return default };
    let field = path.field("base_interval");
    let base = problems.duration(&field, given.base_interval.as_ref(), default.base);
    if base.is_zero() {
        problems.add(&field, Fault::ZeroDuration);
    }
    let field = path.field("max_interval");
    let most = base.saturating_mul(10);
    let max = problems.duration(&field, given.max_interval.as_ref(), most);
    if max < base {
        let (value, min, zero) = (max, base, false);
        problems.add(&field, Fault::TooShort { value, min, zero });
    }
    BackOff { base, max }
}

fn repeatable(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::RetryPolicy,
) -> Repeatable {
    let list = path.field("idempotent_methods");
    for (i, method) in given.idempotent_methods.iter().enumerate() {
        if method.is_empty() {
            problems.add(&list.index(i), Fault::Required);
        }
    }
    let methods = given.idempotent_methods.iter().map(|m| m.as_str().into());
    match given.idempotent {
        true if !given.idempotent_methods.is_empty() => {
            let other = "idempotent";
            problems.add(&list, Fault::Excluded { other });
            Repeatable::All
        }
        true => Repeatable::All,
        false if given.idempotent_methods.is_empty() => Repeatable::AsProtocolSays,
        false => Repeatable::Methods(methods.collect()),
    }
}

/// How many retries a cluster allows.
pub(super) fn retries(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::CircuitBreakers,
) -> Retries {
    let Some(budget) = given.retry_budget else {
        return Retries::Most(given.max_retries.unwrap_or(FEW));
    };
    if given.max_retries.is_some() {
        let other = "retry_budget";
        problems.add(&path.field("max_retries"), Fault::Excluded { other });
    }
    let path = path.field("retry_budget");
    let percent = budget.budget_percent.unwrap_or(SHARE);
    Retries::Budget {
        percent: problems.number(&path.field("budget_percent"), percent, 0..=100),
        min: budget.min_retry_concurrency.unwrap_or(FEW),
    }
}

/// Retries that a cluster allows in any case, as Envoy does.
const FEW: u32 = 3;

/// Per cent of the requests in flight, as Envoy allows.
const SHARE: u32 = 20;
