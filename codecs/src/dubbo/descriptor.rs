//! Parameter descriptors: JVM field descriptors, one after the other.

use std::ops::Range;

use super::fault::{BodyError, Fault};

/// Number of parameters `descriptor` names, each of which is one value of the body.
///
/// `V` counts: dubbo-go sends it for nil arguments.
///
/// # Errors
/// [`Fault::Descriptor`] with the offset in `descriptor`.
///
/// Specification: JVMS section 4.3.2.
pub fn count_parameters(descriptor: &[u8]) -> Result<usize, BodyError> {
    let (mut at, mut count) = (0, 0);
    while at < descriptor.len() {
        at = next_parameter(descriptor, at)?.end;
        count += 1;
    }
    Ok(count)
}

/// The parameter that starts at `at`.
///
/// # Errors
/// As [`count_parameters`].
fn next_parameter(descriptor: &[u8], at: usize) -> Result<Range<usize>, BodyError> {
    let rest = descriptor.get(at..).unwrap_or_default();
    let dimensions = rest.iter().take_while(|byte| **byte == b'[').count();
    let element = rest.get(dimensions..).unwrap_or_default();
    let len = match element {
        [
            b'V' | b'Z' | b'B' | b'C' | b'D' | b'F' | b'I' | b'J' | b'S',
            ..,
        ] => 1,
        [b'L', name @ ..] => match memchr::memchr(b';', name) {
            Some(len) => len + 2,
            // dubbo-go names an array of dates `[Ljava/util/Date`.
            None if dimensions > 0 && !name.is_empty() => element.len(),
            None => return Err(Fault::Descriptor.at(at)),
        },
        _ => return Err(Fault::Descriptor.at(at)),
    };
    Ok(at..at + dimensions + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_the_jvm_and_dubbo_go_do() {
        let counts: [(&str, usize); 8] = [
            ("", 0),
            ("Ljava/lang/String;", 1),
            (
                "Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;",
                3,
            ),
            ("I[[J", 2),
            ("VZBCDFIJS", 9),
            ("[Ljava/util/Date", 1),
            ("I[Ljava/util/Date", 2),
            ("[[Lorg/demo/P;[I", 2),
        ];
        for (descriptor, count) in counts {
            assert_eq!(
                count_parameters(descriptor.as_bytes()),
                Ok(count),
                "{descriptor}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_descriptor() {
        let offsets: [(&str, usize); 7] = [
            ("Ljava/lang/Stringx", 0),
            ("x", 0),
            ("I[", 1),
            ("[", 0),
            ("L", 0),
            ("[L", 0),
            ("ILjava/util/Date", 1),
        ];
        for (descriptor, at) in offsets {
            let expected = Err(Fault::Descriptor.at(at));
            assert_eq!(
                count_parameters(descriptor.as_bytes()),
                expected,
                "{descriptor}"
            );
        }
    }
}
