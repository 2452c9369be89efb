//! Damaged files are refused with a place in the file, or read; never more.

use sabir_proto::yaml;

const FULL: &[u8] = include_bytes!("../examples/full.yaml");

/// Bytes that mean something to YAML, and some that should not be there.
const DAMAGE: &[u8] = b"{}[]:,-?#&*!|>'\"%@`~< \t\n\r\0x9\xff";

/// Every place and every byte would be a hundred thousand files; a prime gives
/// each byte its turn at places of all kinds.
const STEP: usize = 11;

fn check(text: &[u8]) {
    let Err(errors) = yaml::parse("f", text) else {
        return;
    };
    let lines = text.iter().filter(|byte| b"\r\n".contains(byte)).count() + 2;
    for error in &errors {
        let place = error.position;
        assert!((1..=lines).contains(&place.line), "{error}");
        assert!((1..=text.len() + 1).contains(&place.column), "{error}");
    }
    assert!(errors.iter().count() > 0);
}

#[test]
fn files_cut_short() {
    for end in (0..FULL.len()).step_by(STEP) {
        check(&FULL[..end]);
    }
}

#[test]
fn files_with_a_wrong_byte() {
    let mut text = FULL.to_vec();
    for at in (0..text.len()).step_by(STEP) {
        text[at] = DAMAGE[at % DAMAGE.len()];
        check(&text);
        text[at] = FULL[at];
    }
}

#[test]
fn files_with_a_byte_too_many_or_too_few() {
    for at in (0..FULL.len()).step_by(STEP) {
        let (before, after) = FULL.split_at(at);
        check(&[before, &DAMAGE[at % DAMAGE.len()..][..1], after].concat());
        check(&[before, &after[1..]].concat());
    }
}

#[test]
fn everything_that_three_characters_can_say() {
    for &a in DAMAGE {
        for &b in DAMAGE {
            for &c in DAMAGE {
                check(&[a, b, c]);
                check(&[b'w', a, b, c, b'w']);
            }
        }
    }
}
