//! Fuzzes the parser of AIDE's plain report: it never panics, and the hash does not depend on the order.
#![no_main]

use fio::testing::aide::report::parse_plain;
use fio::testing::scan::change_set::ChangeSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut report) = parse_plain(bytes) {
        let set = ChangeSet::new(&report);
        report.changes.reverse();
        assert_eq!(
            set.hash(),
            ChangeSet::new(&report).hash(),
            "the order does not matter"
        );
        report.strip_host_root("/hostroot");
    }
});
