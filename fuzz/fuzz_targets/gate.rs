//! See `sidgate_fuzz::gate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sidgate_fuzz::gate::check(data));
