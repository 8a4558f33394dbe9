//! Fuzzes the conversion of a user's configuration: parsing is lossless, and preparation is idempotent.
#![expect(clippy::panic, reason = "libFuzzer keeps the input of a panic")]
#![no_main]

use fio::testing::aide::config::{Configuration, prepare};
use libfuzzer_sys::fuzz_target;

const STATE_DIR: &str = "/etc/kubernetes";

fuzz_target!(|text: &str| {
    assert_eq!(Configuration::parse(text).to_string(), text, "lossless");
    let Ok(prepared) = prepare(text, STATE_DIR, "/hostroot") else {
        return;
    };
    // A prepared configuration is accepted and does not change.
    match prepare(&prepared.conf, STATE_DIR, "/hostroot") {
        Ok(again) => assert_eq!(again.conf, prepared.conf, "of {text:?}"),
        Err(refused) => panic!("prepared of {text:?}: {refused:?}"),
    }
});
