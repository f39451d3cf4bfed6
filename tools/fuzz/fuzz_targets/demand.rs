#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| symbolon::correlation::fuzz::demand(bytes));
