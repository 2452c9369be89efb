//! Conditions on metadata, compiled.

use sabir_proto::config::v1;
use sabir_proto::config::v1::value_match::Pattern as Given;
use sabir_proto::path::FieldPath;
use sabir_router::matcher::Matcher;
use sabir_router::value::{Case, MatchError, Pattern, Sense, ValueMatcher};

use super::problem::{Fault, Problems};

/// The condition at `path`; absent, it holds for every request.
pub(super) fn condition(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: Option<&v1::Match>,
) -> Option<Matcher> {
    given.map_or_else(
        || Some(Matcher::any()),
        |given| nested(problems, path, given, 1),
    )
}

/// Compiles every part, whatever is wrong with the others.
fn nested(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::Match,
    level: usize,
) -> Option<Matcher> {
    if level > Matcher::MAX_DEPTH {
        let limit = Matcher::MAX_DEPTH;
        problems.add(path, Fault::Match(MatchError::TooDeep { limit }));
        return None;
    }
    let field = path.field("metadata");
    let values: Vec<_> = given
        .metadata
        .iter()
        .map(|(name, value)| {
            let path = field.key(name);
            let value = compile(problems, &path, value);
            Some((problems.metadata_name(&path, name)?, value?))
        })
        .collect();
    let field = path.field("any_of");
    let any_of: Vec<_> = given
        .any_of
        .iter()
        .enumerate()
        .map(|(i, part)| nested(problems, &field.index(i), part, level + 1))
        .collect();
    let not = given.not.as_deref();
    let not = not.map(|part| nested(problems, &path.field("not"), part, level + 1));
    let values = values.into_iter().collect::<Option<_>>()?;
    let any_of = any_of.into_iter().collect::<Option<_>>()?;
    let not = match not {
        Some(part) => Some(part?),
        None => None,
    };
    let compiled = Matcher::new(values, any_of, not);
    compiled
        .map_err(|error| problems.add(path, Fault::Match(error)))
        .ok()
}

fn compile(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::ValueMatch,
) -> Option<ValueMatcher> {
    let Some(pattern) = &given.pattern else {
        problems.add(path, Fault::OneRequired { members: PATTERNS });
        return None;
    };
    let text = |text: &String| text.clone().into();
    let (field, pattern) = match pattern {
        Given::Exact(exact) => ("exact", Pattern::Exact(text(exact))),
        Given::Prefix(prefix) => ("prefix", Pattern::Prefix(text(prefix))),
        Given::Suffix(suffix) => ("suffix", Pattern::Suffix(text(suffix))),
        Given::Contains(part) => ("contains", Pattern::Contains(text(part))),
        Given::Regex(regex) => ("regex", Pattern::Regex(regex.clone())),
        Given::Range(range) => ("range", Pattern::Range(range.start..range.end)),
        Given::Present(true) => ("present", Pattern::Present),
        Given::Present(false) => ("present", Pattern::Absent),
        Given::OneOf(list) => {
            let values = list.values.iter().map(text).collect();
            ("one_of", Pattern::OneOf(values))
        }
    };
    let case = match given.ignore_case {
        true => Case::Ignore,
        false => Case::Sensitive,
    };
    let sense = match given.invert {
        true => Sense::Inverted,
        false => Sense::Positive,
    };
    let error = match ValueMatcher::new(pattern, case, sense) {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    let field = match error {
        MatchError::NoCase { .. } => "ignore_case",
        MatchError::NoInverse => "invert",
        _ => field,
    };
    problems.add(&path.field(field), Fault::Match(error));
    None
}

const PATTERNS: &[&str] = &[
    "exact", "prefix", "suffix", "contains", "regex", "range", "present", "one_of",
];
