//! See `sidgate_fuzz::admin_bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidgate_fuzz::admin_bodies::check(data));
