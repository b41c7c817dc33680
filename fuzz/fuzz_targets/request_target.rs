//! See `sidgate_fuzz::request_target`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidgate_fuzz::request_target::check(data));
