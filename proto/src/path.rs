//! Where a field is in a message: `listeners[0].filters[2].match`.

use std::fmt;

/// The path of a field, built on the way down and written only when there is
/// something to say.
///
/// ```
/// use sabir_proto::path::FieldPath;
///
/// let listeners = FieldPath::ROOT.field("listeners");
/// let listener = listeners.index(0);
/// let options = listener.field("protocol_options");
/// assert_eq!(options.key("a.b").to_string(), r#"listeners[0].protocol_options["a.b"]"#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FieldPath<'a> {
    last: Option<(&'a Self, Segment<'a>)>,
}

impl<'a> FieldPath<'a> {
    /// The whole message; written as nothing.
    pub const ROOT: Self = Self { last: None };

    /// A field of the message here, by its name in the schema.
    #[must_use]
    pub const fn field(&'a self, name: &'a str) -> Self {
        self.then(Segment::Name(name))
    }

    /// The value of a key of the map here. Written as a field, and quoted where
    /// it has other characters than letters, digits, `_` and `-`.
    #[must_use]
    pub const fn key(&'a self, key: &'a str) -> Self {
        self.then(Segment::Name(key))
    }

    /// An element of the list here, from 0.
    #[must_use]
    pub const fn index(&'a self, index: usize) -> Self {
        self.then(Segment::Index(index))
    }

    const fn then(&'a self, segment: Segment<'a>) -> Self {
        Self {
            last: Some((self, segment)),
        }
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((parent, segment)) = self.last else {
            return Ok(());
        };
        parent.fmt(out)?;
        match segment {
            Segment::Index(index) => write!(out, "[{index}]"),
            Segment::Name(name) if !is_word(name) => write!(out, "[{name:?}]"),
            Segment::Name(name) if parent.last.is_none() => out.write_str(name),
            Segment::Name(name) => write!(out, ".{name}"),
        }
    }
}

/// A step of a path that was read back from its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Name(String),
    Index(usize),
}

/// The steps of a written path, up to the first that cannot be read.
pub(crate) fn steps(mut text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some((step, rest)) = next_step(text) {
        steps.push(step);
        text = rest;
    }
    steps
}

#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Name(&'a str),
    Index(usize),
}

fn next_step(text: &str) -> Option<(Step, &str)> {
    if let Some(quoted) = text.strip_prefix("[\"") {
        return quoted_name(quoted);
    }
    if let Some(index) = text.strip_prefix('[') {
        let (index, rest) = index.split_once(']')?;
        return Some((Step::Index(index.parse().ok()?), rest));
    }
    let name = text.strip_prefix('.').unwrap_or(text);
    let end = name.find(['.', '[']).unwrap_or(name.len());
    (end > 0).then(|| (Step::Name(name[..end].to_owned()), &name[end..]))
}

/// Undoes the quoting of `Debug for str`, after the opening quote.
fn quoted_name(text: &str) -> Option<(Step, &str)> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                let rest = text[at + 1..].strip_prefix(']')?;
                return Some((Step::Name(name), rest));
            }
            '\\' => match characters.next()?.1 {
                'n' => name.push('\n'),
                'r' => name.push('\r'),
                't' => name.push('\t'),
                '0' => name.push('\0'),
                'u' => name.push(unicode_escape(&mut characters)?),
                other => name.push(other),
            },
            other => name.push(other),
        }
    }
    None
}

/// The character of `{1f600}`.
fn unicode_escape(characters: &mut std::str::CharIndices<'_>) -> Option<char> {
    let digits = characters
        .by_ref()
        .map(|(_, character)| character)
        .skip_while(|&character| character == '{')
        .take_while(|&character| character != '}');
    let digits: String = digits.collect();
    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
}

fn is_word(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !name.is_empty() && name.bytes().all(word)
}

#[cfg(test)]
mod tests {
    use super::{FieldPath, Step, steps};

    #[test]
    fn a_written_path_reads_back() {
        let listeners = FieldPath::ROOT.field("listeners");
        let second = listeners.index(1);
        let options = second.field("protocol_options");
        for key in [
            "a.b",
            "a\"]b",
            "tab\tnul\0",
            "\u{200b}",
            "",
            "é",
            "plain-key",
        ] {
            let path = options.key(key).to_string();
            let expected = [
                Step::Name("listeners".into()),
                Step::Index(1),
                Step::Name("protocol_options".into()),
                Step::Name(key.into()),
            ];
            assert_eq!(steps(&path), expected, "{path}");
        }
    }

    #[test]
    fn reading_stops_where_a_path_is_malformed() {
        let a = vec![Step::Name("a".into())];
        assert_eq!(steps("a[x].b"), a);
        assert_eq!(steps("a[\"b"), a);
        assert_eq!(steps("a..b"), a);
        assert_eq!(steps(""), []);
    }
}
