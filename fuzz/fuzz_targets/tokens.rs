//! See `sidgate_fuzz::tokens`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidgate_fuzz::tokens::check(data));
