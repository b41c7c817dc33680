//! See `sidgate_fuzz::openapi`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidgate_fuzz::openapi::check(data));
