//! See `sidgate_fuzz::main_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidgate_fuzz::main_file::check(data));
