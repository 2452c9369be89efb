#![no_main]

use libfuzzer_sys::fuzz_target;
use sabir_fuzz::pairs;

fuzz_target!(|input: &[u8]| pairs::of(input));
