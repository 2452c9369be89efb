#![no_main]

use libfuzzer_sys::fuzz_target;
use sabir_fuzz::bodies;

fuzz_target!(|input: &[u8]| bodies::of(input));
