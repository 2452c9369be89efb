//! The wire format of protobuf, as far as writing it goes
//! (<https://protobuf.dev/programming-guides/encoding/>).

/// A field of the types that are varints; negative ones sign-extended.
pub(super) fn varint(out: &mut Vec<u8>, number: u32, value: u64) {
    tag(out, number, 0);
    base128(out, value);
}

/// A field of the types that have eight bytes.
pub(super) fn fixed64(out: &mut Vec<u8>, number: u32, value: [u8; 8]) {
    tag(out, number, 1);
    out.extend(value);
}

/// A string, bytes, or message.
pub(super) fn delimited(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    tag(out, number, 2);
    base128(out, value.len() as u64);
    out.extend(value);
}

/// A field of the types that have four bytes.
pub(super) fn fixed32(out: &mut Vec<u8>, number: u32, value: [u8; 4]) {
    tag(out, number, 5);
    out.extend(value);
}

/// Small magnitudes to small numbers, for the types that begin with `sint`.
pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn tag(out: &mut Vec<u8>, number: u32, wire_type: u64) {
    base128(out, u64::from(number) << 3 | wire_type);
}

fn base128(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
