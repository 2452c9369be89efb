//! Motan2.

use sabir_core::name::Name;

use crate::relay::{exchanges, refusals};
use crate::{Operation, SIZES, Work, length};

pub(crate) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for len in SIZES {
        for work in [
            Work::Nothing,
            Work::Look(Name::new("x-user")),
            Work::Set(Name::new("x-trace"), b"4bf92f3577b34da6"),
        ] {
            let (ask, answer) = (request(len), response(len));
            all.push(exchanges("motan2", &length(len), work, ask, answer));
        }
    }
    all.push(refusals("motan2", request(128)));
    all
}

/// A call of `hi` of `org.demo.Hello` with seven pairs and a body of `len` bytes.
fn request(len: usize) -> Vec<u8> {
    let pairs = "M_p\norg.demo.Hello\nM_m\nhi\nM_md\njava.lang.String\nM_g\ng1\nM_v\n1.0\n\
                 M_s\napp1\nx-user\n42";
    framed(0x00, pairs, len)
}

/// A response with a pair and a body of `len` bytes.
fn response(len: usize) -> Vec<u8> {
    framed(0x01, "M_pt\n3", len)
}

fn framed(flags: u8, metadata: &str, body_len: usize) -> Vec<u8> {
    let length = |len: usize| (len as u32).to_be_bytes();
    [
        &[0xf1, 0xf1, flags, 0x08, 0x30][..],
        &1_u64.to_be_bytes(),
        &length(metadata.len()),
        metadata.as_bytes(),
        &length(body_len),
        &vec![b'x'; body_len],
    ]
    .concat()
}
