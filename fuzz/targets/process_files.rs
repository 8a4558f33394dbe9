//! Fuzzes the parsers of the files of a process in `/proc`: they never panic, and their texts are short and on one
//! line.
#![no_main]

use fio::testing::daemon::realtime::process_files;
use libfuzzer_sys::fuzz_target;

/// Maximum bytes of a text.
const MAX_TEXT: usize = 256;

fuzz_target!(|bytes: &[u8]| {
    let _ = process_files::start_time(bytes);
    let _ = process_files::login_uid(bytes);
    let origin = process_files::origin(bytes);
    assert!(origin.pod_uid.is_none() || origin.unit.is_none());
    let texts = [
        Some(process_files::command_name(bytes)),
        Some(process_files::program(bytes)),
        origin.unit,
        origin.pod_uid,
        origin.container_id,
    ];
    for text in texts.iter().flatten() {
        assert!(
            text.len() <= MAX_TEXT && !text.contains(char::is_control),
            "{text:?}"
        );
    }
});
