#![no_main]

use libfuzzer_sys::fuzz_target;
use sabir_fuzz::{operations, subjects::Name};

fuzz_target!(|input: &[u8]| operations::of(Name::Http2, input));
