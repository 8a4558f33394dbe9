//! A user's configuration: printed as it was read, and prepared once and for all.
#![no_main]

use fio::aide::config::{Configuration, prepare};
use libfuzzer_sys::fuzz_target;

const STATE_DIR: &str = "/etc/kubernetes";

fuzz_target!(|text: &str| {
    assert_eq!(Configuration::parse(text).to_string(), text, "lossless");
    let Ok(prepared) = prepare(text, STATE_DIR, "/hostroot") else {
        return;
    };
    // What was prepared is accepted, and stays as it is.
    match prepare(&prepared.conf, STATE_DIR, "/hostroot") {
        Ok(again) => assert_eq!(again.conf, prepared.conf, "of {text:?}"),
        Err(refused) => panic!("prepared of {text:?}: {refused:?}"),
    }
});
