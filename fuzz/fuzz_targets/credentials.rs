//! See `sidgate_fuzz::credentials`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidgate_fuzz::credentials::check(data));
