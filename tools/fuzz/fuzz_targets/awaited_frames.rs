#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| symbolon::net::fuzz::awaited_frames(bytes));
