#![no_main]

use libfuzzer_sys::fuzz_target;
use sabir_fuzz::h2_peer;

fuzz_target!(|input: &[u8]| h2_peer::of(input));
