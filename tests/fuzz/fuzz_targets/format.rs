//! What is formatted once stays as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    if let Ok(once) = stead_grammar::format(source) {
        assert_eq!(stead_grammar::format(&once).as_deref(), Ok(once.as_str()));
    }
});
