//! See `sidgate_fuzz::catalog`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidgate_fuzz::catalog::check(data));
