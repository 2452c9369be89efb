//! The index against routes tried in order.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use sabir_core::bytes::Bytes;
use sabir_core::head::Head;
use sabir_core::name::Name;
use sabir_router::matcher::Matcher;
use sabir_router::table::RouteTable;
use sabir_router::value::{Case, Pattern, Sense, ValueMatcher};

use crate::toy;

const NAMES: [&str; 7] = [
    "service", "method", "protocol", "group", "version", "x", "y",
];
const VALUES: [&str; 12] = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "abc",
    "b",
    "bc",
    "toy",
    "1",
    "-5",
    "abcabcabc",
];
const REGEXES: [&str; 9] = [
    "a.*", "(a|b)c?", "[ab]+", "", "ab|abc", "(?i)a", ".*b", "^ab$", r"\d",
];

fn pattern() -> impl Strategy<Value = Pattern> {
    let text = || select(&VALUES[..]).prop_map(Bytes::from);
    let filled = || select(&VALUES[1..]).prop_map(Bytes::from);
    prop_oneof![
        6 => text().prop_map(Pattern::Exact),
        3 => filled().prop_map(Pattern::Prefix),
        1 => filled().prop_map(Pattern::Suffix),
        1 => filled().prop_map(Pattern::Contains),
        1 => (-6i64..2, 1i64..4).prop_map(|(start, more)| Pattern::Range(start..start + more)),
        1 => Just(Pattern::Present),
        1 => Just(Pattern::Absent),
        2 => vec(text(), 1..4).prop_map(Pattern::OneOf),
    ]
}

/// Compiled once: a debug build takes longer for that than for all the rest.
static COMPILED: LazyLock<Vec<ValueMatcher>> = LazyLock::new(|| {
    let senses = [Sense::Positive, Sense::Positive, Sense::Inverted];
    let compile = |regex: &&str| {
        let pattern = Pattern::Regex((*regex).into());
        senses.map(|sense| ValueMatcher::new(pattern.clone(), Case::Sensitive, sense).unwrap())
    };
    REGEXES.iter().flat_map(compile).collect()
});

fn value() -> impl Strategy<Value = ValueMatcher> {
    prop_oneof![9 => simple_value(), 1 => select(&COMPILED[..])]
}

fn simple_value() -> impl Strategy<Value = ValueMatcher> {
    let case = prop_oneof![3 => Just(Case::Sensitive), 1 => Just(Case::Ignore)];
    let sense = prop_oneof![5 => Just(Sense::Positive), 1 => Just(Sense::Inverted)];
    (pattern(), case, sense).prop_map(|(pattern, case, sense)| {
        let made = ValueMatcher::new(pattern.clone(), case, sense);
        made.unwrap_or_else(|_| {
            ValueMatcher::new(pattern, Case::default(), Sense::default()).unwrap()
        })
    })
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let values = |most| vec((select(&NAMES[..]).prop_map(Name::new), value()), 0..most);
    let leaf = values(4).prop_map(|v| Matcher::new(v, Vec::new(), None).unwrap());
    leaf.prop_recursive(2, 8, 3, move |inner| {
        let nested = (
            values(3),
            vec(inner.clone(), 0..4),
            option::weighted(0.2, inner),
        );
        nested.prop_map(|(values, any_of, not)| Matcher::new(values, any_of, not).unwrap())
    })
}

fn head() -> impl Strategy<Value = Head> {
    let text = || select(&VALUES[..]);
    let pairs = vec((select(&NAMES[3..]), text()), 0..5);
    let head = (text(), text(), pairs);
    head.prop_map(|(service, method, pairs)| toy::request(service, method, &pairs))
}

fn on(name: &str, value: &str) -> (Name, ValueMatcher) {
    (Name::new(name), ValueMatcher::exact(value.to_owned()))
}

fn all(values: Vec<(Name, ValueMatcher)>) -> Matcher {
    Matcher::new(values, Vec::new(), None).unwrap()
}

fn table(matchers: Vec<Matcher>) -> RouteTable<usize> {
    RouteTable::new(matchers.into_iter().zip(0..).collect())
}

fn check(table: &RouteTable<usize>, heads: &[Head]) -> Result<(), TestCaseError> {
    for head in heads {
        let found = table.find(head);
        prop_assert_eq!(found, table.find_linear(head));
        prop_assert!(found.is_none_or(|(at, route)| at == *route));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn index_equals_linear(matchers in vec(matcher(), 0..40), heads in vec(head(), 1..12)) {
        check(&table(matchers), &heads)?;
    }

    /// Prefixes of prefixes, and values between them in order.
    #[test]
    fn prefix_index_equals_linear(
        texts in vec(("[abAB]{1,6}", any::<bool>()), 1..30),
        services in vec("[a-cA-C]{0,8}", 1..30),
    ) {
        let prefix = |(text, ignore): (String, bool)| {
            let case = if ignore { Case::Ignore } else { Case::Sensitive };
            let value = ValueMatcher::new(Pattern::Prefix(text.into()), case, Sense::Positive);
            Matcher::on(Name::new("service"), value.unwrap())
        };
        let heads: Vec<_> = services.iter().map(|s| toy::request(s, "m", &[])).collect();
        check(&table(texts.into_iter().map(prefix).collect()), &heads)?;
    }

    /// Enough routes that share their values for buckets to become nodes.
    #[test]
    fn nested_index_equals_linear(
        rows in vec((select(&VALUES[..4]), select(&VALUES[..4]), select(&VALUES[..]), value()), 0..300),
        heads in vec(head(), 1..12),
    ) {
        let row = |(service, method, x, y)| {
            all(vec![on("service", service), on("method", method), on("x", x), (Name::new("y"), y)])
        };
        check(&table(rows.into_iter().map(row).collect()), &heads)?;
    }
}

#[test]
fn first_match_wins_whatever_it_is_filed_under() {
    let prefix = ValueMatcher::new(
        Pattern::Prefix("s".into()),
        Case::Sensitive,
        Sense::Positive,
    );
    let routes = table(vec![
        all(vec![on("x", "1")]),
        Matcher::on(Name::new("service"), prefix.unwrap()),
        all(vec![on("service", "s")]),
        Matcher::any(),
    ]);
    let find = |head: Head| routes.find(&head).unwrap().0;
    assert_eq!(find(toy::request("s", "m", &[("x", "2"), ("x", "1")])), 0);
    assert_eq!(find(toy::request("s", "m", &[])), 1);
    assert_eq!(find(toy::request("t", "m", &[])), 3);
}

#[test]
fn no_routes_match_nothing() {
    let routes = table(Vec::new());
    assert!(routes.is_empty());
    assert_eq!(routes.find(&toy::request("s", "m", &[])), None);
}

#[test]
fn metadata_is_parsed_only_for_candidates_that_need_it() {
    let mut matchers = Vec::new();
    for tenant in 0..100 {
        matchers.push(all(vec![
            on("service", "lazy"),
            on("tenant", &tenant.to_string()),
        ]));
        matchers.push(all(vec![on("service", &format!("plain{tenant}"))]));
    }
    let not_batch = Matcher::new(Vec::new(), Vec::new(), Some(all(vec![on("batch", "true")])));
    matchers.push(not_batch.unwrap());
    let routes = table(matchers);
    let parses = |head: &Head| {
        let before = toy::parsed();
        let found = routes.find(head).map(|(at, _)| at);
        let parsed = toy::parsed() - before;
        // Once for a single name at most, and then once for good.
        assert!(parsed <= 2, "{parsed} times");
        (found, parsed > 0)
    };
    assert_eq!(
        parses(&toy::request("plain7", "m", &[("tenant", "7")])),
        (Some(15), false)
    );
    assert_eq!(
        parses(&toy::request("lazy", "m", &[("tenant", "7")])),
        (Some(14), true)
    );
    assert_eq!(
        parses(&toy::request("other", "m", &[("batch", "true")])),
        (None, true)
    );
    assert_eq!(parses(&toy::request("other", "m", &[])), (Some(200), true));
}

#[test]
fn long_values_and_long_prefixes_are_found() {
    let text = |n: usize| "p".repeat(n);
    let lengths = [1, 63, 64, 65, 100];
    let routes = lengths.iter().rev().map(|&n| {
        let pattern = Pattern::Prefix(text(n).into());
        let value = ValueMatcher::new(pattern, Case::Ignore, Sense::Positive).unwrap();
        Matcher::on(Name::new("service"), value)
    });
    let routes = table(routes.collect());
    for (length, route) in [
        (100, 0),
        (101, 0),
        (99, 1),
        (65, 1),
        (64, 2),
        (63, 3),
        (1, 4),
    ] {
        let head = toy::request(&text(length).to_uppercase(), "m", &[]);
        assert_eq!(
            routes.find(&head).map(|(at, _)| at),
            Some(route),
            "{length}"
        );
    }
}

#[test]
fn repeated_values_do_not_repeat_the_work() {
    let rows = (0..8).map(|y| all(vec![on("x", "a"), on("y", &y.to_string())]));
    let routes = table(rows.collect());
    let head = toy::request("s", "m", &[("x", "a"); 30_000]);
    let start = Instant::now();
    assert_eq!(routes.find(&head), None);
    // Once for each repetition, it would take minutes.
    assert!(start.elapsed() < Duration::from_secs(10));
}
