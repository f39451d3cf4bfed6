#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| symbolon::testing::fuzz::conversion(bytes));
