#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| prynai_gateway_engine::fuzzing::envelope(input));
