#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| symbolon_cli::fuzz::onnx(bytes));
