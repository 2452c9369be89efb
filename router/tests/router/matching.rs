//! Conditions on values, and what is refused.

use sabir_core::bytes::Bytes;
use sabir_core::name::Name;
use sabir_router::matcher::Matcher;
use sabir_router::value::{Case, MatchError, Pattern, Sense, ValueMatcher};

use crate::toy;

fn compile(pattern: Pattern) -> Result<ValueMatcher, MatchError> {
    ValueMatcher::new(pattern, Case::Sensitive, Sense::Positive)
}

/// Whether `pattern` holds for a name that has `values`.
fn holds_with(pattern: Pattern, case: Case, sense: Sense, values: &[&str]) -> bool {
    let value = ValueMatcher::new(pattern, case, sense).unwrap();
    let pairs: Vec<_> = values.iter().map(|v| ("x", *v)).collect();
    let matcher = Matcher::on(Name::new("X"), value);
    matcher.matches(&toy::request("s", "m", &pairs))
}

fn holds(pattern: &Pattern, value: &str) -> bool {
    holds_with(pattern.clone(), Case::Sensitive, Sense::Positive, &[value])
}

fn regex(pattern: &str) -> Pattern {
    Pattern::Regex(pattern.into())
}

#[test]
fn each_pattern_holds_for_what_it_says() {
    let of = |text: &'static str| Bytes::from(text);
    let cases: [(Pattern, &[&str], &[&str]); 10] = [
        (Pattern::Exact(of("ab")), &["ab"], &["aB", "abc", "a", ""]),
        (Pattern::Exact(of("")), &[""], &["a"]),
        (
            Pattern::Prefix(of("ab")),
            &["ab", "abc"],
            &["a", "cab", "ABc"],
        ),
        (Pattern::Suffix(of("ab")), &["ab", "cab"], &["b", "abc"]),
        (
            Pattern::Contains(of("ab")),
            &["ab", "xaby"],
            &["a", "axb", ""],
        ),
        (regex("a|ab"), &["a", "ab"], &["abc", "xa", ""]),
        (
            Pattern::Range(-10..10),
            &["-10", "0", "+9", "007"],
            &["10", "-11", "", "1.0", " 1", "99999999999999999999"],
        ),
        (Pattern::Present, &["", "a"], &[]),
        (Pattern::Absent, &[], &["", "a"]),
        (
            Pattern::OneOf(vec![of("b"), of("a"), of("b")]),
            &["a", "b"],
            &["", "ab", "A"],
        ),
    ];
    for (pattern, yes, no) in cases {
        for value in yes {
            assert!(holds(&pattern, value), "{pattern:?} {value:?}");
        }
        for value in no {
            assert!(!holds(&pattern, value), "{pattern:?} {value:?}");
        }
    }
}

#[test]
fn case_is_ignored_where_asked() {
    let ignore = |pattern, value| holds_with(pattern, Case::Ignore, Sense::Positive, &[value]);
    let of = |text: &'static str| Bytes::from(text);
    assert!(ignore(Pattern::Exact(of("aB")), "Ab"));
    assert!(ignore(Pattern::Prefix(of("aB")), "AbC"));
    assert!(ignore(Pattern::Suffix(of("bC")), "aBc"));
    assert!(ignore(Pattern::Contains(of("b.C")), "aB.cD"));
    assert!(!ignore(Pattern::Contains(of("b.C")), "aBxcD"));
    assert!(ignore(regex("a[b]"), "AB"));
    assert!(ignore(Pattern::OneOf(vec![of("Z"), of("aB")]), "Ab"));
    assert!(!ignore(Pattern::Exact(of("ä")), "Ä"), "ASCII only");
    assert!(ignore(regex("ä"), "Ä"), "Unicode in regular expressions");
}

#[test]
fn any_of_several_values_will_do() {
    let exact =
        |sense, values| holds_with(Pattern::Exact("a".into()), Case::Sensitive, sense, values);
    assert!(exact(Sense::Positive, &["b", "a"]));
    assert!(!exact(Sense::Positive, &[]));
    assert!(!exact(Sense::Inverted, &["b", "a"]));
    assert!(exact(Sense::Inverted, &["b", "c"]));
    assert!(
        !exact(Sense::Inverted, &[]),
        "an absent name satisfies no inverted condition"
    );
    assert!(holds_with(
        Pattern::Absent,
        Case::Sensitive,
        Sense::Positive,
        &[]
    ));
}

#[test]
fn matchers_combine() {
    let is =
        |name: &str, value: &'static str| Matcher::on(Name::new(name), ValueMatcher::exact(value));
    let service = (Name::new("service"), ValueMatcher::exact("s"));
    let any_of = vec![is("x", "1"), is("method", "m")];
    let matcher = Matcher::new(vec![service], any_of, Some(is("y", "1"))).unwrap();
    let matches =
        |service, method, pairs: &[_]| matcher.matches(&toy::request(service, method, pairs));
    assert!(matches("s", "m", &[]));
    assert!(matches("s", "n", &[("x", "1")]));
    assert!(!matches("s", "n", &[]));
    assert!(!matches("s", "m", &[("y", "1")]));
    assert!(!matches("t", "m", &[]));
    assert!(Matcher::any().matches(&toy::request("", "", &[])));
    assert!(is("protocol", "toy").matches(&toy::request("", "", &[])));
    let names: Vec<_> = matcher.names().iter().map(|n| n.as_str()).collect();
    assert_eq!(names.len(), 4);
}

#[test]
fn cheap_conditions_spare_the_parse() {
    let values = ["x", "service"].map(|name| (Name::new(name), ValueMatcher::exact("1")));
    let matcher = Matcher::new(values.into(), Vec::new(), None).unwrap();
    let before = toy::parsed();
    assert!(!matcher.matches(&toy::request("s", "m", &[("x", "1")])));
    assert_eq!(toy::parsed(), before);
    assert!(matcher.matches(&toy::request("1", "m", &[("x", "1")])));
    assert_eq!(toy::parsed(), before + 1);
}

#[test]
fn bad_patterns_are_refused() {
    let empty = Bytes::new;
    for (pattern, kind) in [
        (Pattern::Prefix(empty()), "prefix"),
        (Pattern::Suffix(empty()), "suffix"),
        (Pattern::Contains(empty()), "contains"),
    ] {
        assert_eq!(
            compile(pattern).unwrap_err(),
            MatchError::EmptyPattern { pattern: kind }
        );
    }
    assert_eq!(
        compile(Pattern::OneOf(Vec::new())).unwrap_err(),
        MatchError::EmptySet
    );
    let range = compile(Pattern::Range(3..3)).unwrap_err();
    assert_eq!(range, MatchError::EmptyRange { start: 3, end: 3 });
    let ignored = ValueMatcher::new(Pattern::Range(0..1), Case::Ignore, Sense::Positive);
    assert_eq!(
        ignored.unwrap_err(),
        MatchError::NoCase { pattern: "range" }
    );
    let inverted = ValueMatcher::new(Pattern::Absent, Case::Sensitive, Sense::Inverted);
    assert_eq!(inverted.unwrap_err(), MatchError::NoInverse);
}

#[test]
fn bad_regexes_are_refused_with_the_reason() {
    for pattern in ["(", "a)(b", "(?=a)", r"(a)\1", "[z-a]"] {
        let error = compile(regex(pattern)).unwrap_err();
        assert!(matches!(error, MatchError::Regex(_)), "{pattern}");
        let text = error.to_string();
        assert!(
            text.starts_with("invalid regular expression: ") && !text.contains(r"\A"),
            "{text}"
        );
    }
    let huge = compile(regex(r"(\w{100}){100}")).unwrap_err();
    assert!(
        matches!(huge, MatchError::Regex(regex::Error::CompiledTooBig(_))),
        "{huge}"
    );
}

#[test]
fn a_regex_with_a_trailing_comment_still_matches_the_whole_value() {
    let verbose = regex("(?x) a b # both");
    assert!(holds(&verbose, "ab"));
    assert!(!holds(&verbose, "abc"));
}

#[test]
fn nesting_is_limited() {
    let nest = |depth| {
        (1..depth).try_fold(Matcher::any(), |inner, _| {
            Matcher::new(Vec::new(), Vec::new(), Some(inner))
        })
    };
    assert!(nest(Matcher::MAX_DEPTH).is_ok());
    let error = nest(Matcher::MAX_DEPTH + 1).unwrap_err();
    assert_eq!(error, MatchError::TooDeep { limit: 16 });
}
