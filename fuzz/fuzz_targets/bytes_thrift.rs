#![no_main]

use libfuzzer_sys::fuzz_target;
use sabir_fuzz::{bytes_of_peers, subjects::Name};

fuzz_target!(|input: &[u8]| bytes_of_peers::of(Name::Thrift, input));
