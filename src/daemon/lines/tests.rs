use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::*;
use crate::api::{
    Condition, ErrorClass, EventReason, FileIntegrityNodeStatus, HoldReason, ScanResult,
};
use crate::scan::event::Severity;
use crate::scan::identity;
use crate::scan::outcome::ScanError;
use crate::scan::output::Settings;

/// What was written.
#[derive(Clone, Debug, Default)]
pub(in crate::daemon) struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    /// A field of all lines so far.
    pub(in crate::daemon) fn of_all(&self, field: &str) -> Vec<String> {
        let written = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = written
            .lines()
            .map(|line| -> Value { serde_json::from_str(line).unwrap() });
        lines
            .map(|line| line[field].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// The lines of a process that knows no node status.
pub(in crate::daemon) fn lines(written: &Written) -> Lines {
    with_status(written, KnownStatus::default())
}

fn with_status(written: &Written, status: KnownStatus) -> Lines {
    let (_, status) = watch::channel(status);
    let output = Output::new(Settings::default(), &identity());
    Lines::new(output, status, written.clone())
}

fn finding(message: &str) -> Finding {
    Finding::not_scanned(ScanError::new(ErrorClass::State, message), time::now())
}

#[test]
fn an_error_is_written_once_with_its_event() {
    let written = Written::default();
    let mut lines = lines(&written);
    let event = EventMessage {
        severity: Severity::Warning,
        reason: EventReason::BaselineTampered,
        message: "the database is another one".to_owned(),
    };
    for _ in 0..2 {
        lines.not_scanned(&finding("tampered"), Some(&event));
    }
    lines.hold_started(&HeldBy::Annotation(HoldReason::User));
    lines.hold_ended();
    let expected = [
        "BaselineTampered",
        "ScanErrored",
        "HoldStarted",
        "HoldEnded",
    ];
    assert_eq!(written.of_all("notice"), expected);
}

#[test]
fn an_error_that_the_node_status_has_is_not_written_again() {
    let result = finding("tampered").result;
    let status = FileIntegrityNodeStatus {
        last_result: Some(result.clone()),
        results: vec![result],
        ..FileIntegrityNodeStatus::default()
    };
    let mut known = KnownStatus::default();
    known.keep_newest(status);
    let written = Written::default();
    let mut lines = with_status(&written, known);
    lines.not_scanned(&finding("tampered"), None);
    assert_eq!(written.of_all("notice"), [""; 0]);
    lines.not_scanned(&finding("another"), None);
    assert_eq!(written.of_all("message"), ["another"]);
    let clean = ScanResult::new(Condition::Succeeded, time::now());
    lines.scan(EndedScan {
        id: "abc",
        result: &clean,
        report: None,
        event: None,
        is_with_baseline: true,
    });
    assert_eq!(written.of_all("notice"), ["ScanErrored", "ErrorEnded"]);
}
