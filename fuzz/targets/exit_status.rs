//! How AIDE ended, and what it said on the way: each code and signal has a meaning, and what is taken
//! out of its messages are lines of them.
#![no_main]

use fio::aide::{complaints, exit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Option<i32>, Option<i32>, &str)| {
    let (code, signal, text) = input;
    let verdict = exit::decode(code, signal);
    let plain = exit::decode_plain(code, signal);
    if code == Some(0) && signal.is_none() {
        assert!(plain.is_ok(), "{verdict:?}");
    }
    if let Err(error) = plain {
        assert!(!error.message().is_empty() && !error.class().is_empty());
    }
    for line in complaints::left_out(text) {
        assert!(text.contains(line), "{line:?}");
    }
});
