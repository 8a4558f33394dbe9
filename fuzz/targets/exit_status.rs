//! Fuzzes AIDE's exit statuses and messages: each code and signal has a meaning, and each message
//! counts at most once.
#![no_main]

use fio::testing::aide::exit;
use fio::testing::aide::stderr::Stderr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Option<i32>, Option<i32>, &str)| {
    let (code, signal, text) = input;
    let verdict = exit::decode(code, signal);
    let plain = exit::decode_plain(code, signal);
    if code == Some(0) && signal.is_none() {
        assert!(plain.is_ok(), "{verdict:?}");
    }
    if let Err(error) = plain {
        assert!(!error.message().is_empty() && !error.class().as_str().is_empty());
    }
    let stderr = Stderr::of(text);
    let classes = [stderr.skipped, stderr.changing, stderr.others];
    let count: u64 = classes.iter().map(|class| class.count).sum();
    assert!(count <= text.lines().count() as u64, "{classes:?}");
    for class in classes {
        assert_eq!(class.count == 0, class.first.is_none(), "{class:?}");
        assert!(class.first.is_none_or(|first| first.len() <= 512));
    }
});
