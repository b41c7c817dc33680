//! See `sidgate_fuzz::template`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidgate_fuzz::template::check(data));
