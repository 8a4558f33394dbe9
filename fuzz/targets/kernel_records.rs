//! Fuzzes the parsers of the records of fanotify and inotify: they never panic, and each name is that of an
//! entry of its directory.
#![no_main]

use fio::testing::daemon::realtime::{KernelEvent, fanotify_records, inotify_records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for parse in [fanotify_records::parse, inotify_records::parse] {
        let Ok(events) = parse(bytes) else {
            continue;
        };
        // The smallest record has 16 bytes.
        assert!(events.len() <= bytes.len() / 16, "{events:?}");
        for event in events {
            if let KernelEvent::Entry { name, .. } = event {
                assert!(!name.is_empty() && name != b"..", "{name:?}");
                assert!(!name.contains(&b'/') && !name.contains(&0), "{name:?}");
            }
        }
    }
});
