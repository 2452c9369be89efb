#![no_main]

use libfuzzer_sys::fuzz_target;
use sabir_fuzz::operations;

fuzz_target!(|input: &[u8]| operations::of_messages(input));
