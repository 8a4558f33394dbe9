use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};

use super::status_patch::body;
use super::*;
use crate::api::{Accepted, Baseline, CompletedRequest, EventReason, HoldEnd, NodeHold};
use crate::scan::change_set::ChangeSet;
use crate::scan::change_set::tests::named;
use crate::scan::event::Severity;
use crate::scan::identity;

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(1_800_000_000 + second).unwrap())
}

fn empty() -> FileIntegrityNodeStatus {
    let mut status = FileIntegrityNodeStatus {
        node_name: "n1".to_owned(),
        ..Default::default()
    };
    status.metadata.uid = Some("uid".to_owned());
    status
}

fn succeeded(second: i64) -> NodeUpdate {
    finding(ScanResult::new(Condition::Succeeded, at(second)), None)
}

fn failed(second: i64, hash: &str, paths: &str) -> NodeUpdate {
    let mut result = ScanResult::new(Condition::Failed, at(second));
    result.files_changed = 1;
    result.changes_hash = Some(hash.to_owned());
    finding(result, Some(Box::new(named(hash, paths))))
}

fn errored(second: i64, message: &str) -> NodeUpdate {
    let mut result = ScanResult::new(Condition::Errored, at(second));
    result.error_message = Some(message.to_owned());
    finding(result, None)
}

fn finding(result: ScanResult, changes: Option<Box<ChangeSet>>) -> NodeUpdate {
    NodeUpdate {
        finding: Some(Finding { result, changes }),
        ..NodeUpdate::default()
    }
}

/// The report of a process that has reported nothing yet.
fn plan_first(status: &FileIntegrityNodeStatus, update: &NodeUpdate) -> PlannedReport {
    plan(&identity(), status, update, &LastReported::default())
}

/// Reports one update after the other. Returns for each whether a log was written, and the messages of its
/// events.
fn story(updates: &[NodeUpdate]) -> Vec<(bool, Vec<String>)> {
    let (mut status, mut reported) = (empty(), LastReported::default());
    updates
        .iter()
        .map(|update| {
            let planned = plan(&identity(), &status, update, &reported);
            status = planned.status;
            reported = planned.reported;
            let messages = planned.events.into_iter().map(|e| e.message).collect();
            (planned.write_log, messages)
        })
        .collect()
}

#[test]
fn each_new_result_has_an_event() {
    let mut updates = vec![succeeded(0), succeeded(10)];
    updates.extend([
        failed(20, "h1", "p1"),
        failed(30, "h1", "p1"),
        failed(40, "h2", "p2"),
    ]);
    updates.extend([
        errored(50, "AIDE error: 18 IO error"),
        errored(60, "AIDE error: 18 IO error"),
    ]);
    updates.extend([failed(70, "h2", "p2"), succeeded(80)]);
    insta::assert_json_snapshot!(story(&updates));
}

#[test]
fn changes_of_the_same_files_have_an_event_every_ten_minutes() {
    let reports = story(&[
        failed(0, "h1", "p"),
        failed(100, "h2", "p"),
        failed(200, "h3", "p"),
        failed(690, "h4", "p"),
        failed(700, "h5", "p"),
        failed(710, "h6", "other"),
        failed(720, "h7", "other"),
    ]);
    let messages: Vec<_> = reports.iter().map(|(_, m)| m.join("")).collect();
    let message = "node n1 has changed! a:0,c:1,r:0 log:ns/aide-fi-n1-failed";
    let left_out = " (2 earlier changes to the same files were not reported one by one)";
    let with_left_out = format!("{message}{left_out}");
    assert_eq!(
        messages,
        [message, message, "", "", &with_left_out, message, message]
    );
    assert!(
        reports.iter().all(|(log, _)| *log),
        "the failure log follows every change"
    );
}

#[test]
fn nothing_is_reported_again_after_a_restart() {
    let first = plan_first(&empty(), &failed(0, "h", "p"));
    let again = plan_first(&first.status, &failed(20, "h", "p"));
    assert_eq!(again.events, []);
    assert!(!again.write_log);
}

#[test]
fn a_crash_before_the_status_is_written_leads_to_the_same_transition() {
    let before = plan_first(&empty(), &failed(0, "h", "p"));
    let after = plan_first(&empty(), &failed(9, "h", "p"));
    assert_eq!(before.transition, after.transition);
    let later = plan_first(&before.status, &succeeded(20));
    assert_ne!(before.transition, later.transition);
}

/// A write whose answer is lost is planned again, with the status before or after it.
#[test]
fn the_same_is_planned_after_a_lost_answer() {
    let changed_before = plan_first(&empty(), &failed(0, "h", "p"));
    let clean_before = plan_first(&empty(), &succeeded(0));
    let warned = |update: NodeUpdate| NodeUpdate {
        event: Some(EventMessage {
            severity: Severity::Warning,
            reason: EventReason::UnrequestedReinit,
            message: "m".to_owned(),
        }),
        ..update
    };
    for (before, reported) in [
        (empty(), LastReported::default()),
        (clean_before.status.clone(), LastReported::default()),
        (clean_before.status, clean_before.reported),
        (changed_before.status, changed_before.reported),
    ] {
        for update in [
            succeeded(10),
            failed(10, "h", "p"),
            failed(10, "h2", "p"),
            errored(10, "e"),
            warned(succeeded(10)),
            warned(errored(10, "e")),
        ] {
            let mut reported = reported.clone();
            reported.begin_with(&before);
            let first = plan(&identity(), &before, &update, &reported);
            let again = plan(&identity(), &first.status, &update, &reported);
            assert_eq!(again.transition, first.transition);
            assert_eq!(again.events, first.events);
            assert_eq!(again.reported, first.reported);
            assert_eq!(status_patch(&first.status, &again.status).unwrap(), None);
        }
    }
}

#[test]
fn a_refused_log_is_written_again_after_a_restart() {
    let mut first = plan_first(&empty(), &failed(0, "h", "p"));
    first.without_log();
    assert!(plan_first(&first.status, &failed(10, "h", "p")).write_log);
}

#[test]
fn a_clock_set_back_does_not_hide_a_newer_result() {
    let first = plan_first(&empty(), &succeeded(1000));
    let second = plan_first(&first.status, &failed(5, "h", "p"));
    let last = second.status.last_result.unwrap();
    assert_eq!(last.condition, Condition::Failed);
    assert_eq!(last.last_probe_time, at(1001));
    assert_eq!(
        second.status.results.last().unwrap().last_probe_time,
        at(1001)
    );
}

#[test]
fn a_clock_set_back_does_not_suppress_events_for_long() {
    let reports = story(&[
        failed(100_000, "h1", "p"),
        failed(100_100, "h2", "p"),
        failed(0, "h3", "p"),
        failed(300, "h4", "p"),
        failed(600, "h5", "p"),
    ]);
    let reports: Vec<bool> = reports.iter().map(|(_, m)| !m.is_empty()).collect();
    assert_eq!(reports, [true, true, true, false, true]);
}

#[test]
fn the_last_possible_time_is_followed_by_the_clock() {
    let mut first = plan_first(&empty(), &succeeded(0));
    let last = first.status.last_result.as_mut().unwrap();
    last.last_probe_time = Time(Timestamp::MAX);
    let second = plan(&identity(), &first.status, &succeeded(10), &first.reported);
    let last = second.status.last_result.unwrap();
    assert_eq!(last.last_probe_time, at(10));
}

#[test]
fn edited_results_are_restored_without_another_event() {
    type Edit = fn(&mut FileIntegrityNodeStatus);
    let clean = plan_first(&empty(), &succeeded(0));
    let changed = failed(10, "h", "p");
    let failed_once = plan(&identity(), &clean.status, &changed, &clean.reported);
    let expected = plan(
        &identity(),
        &failed_once.status,
        &failed(20, "h", "p"),
        &failed_once.reported,
    );
    let edits: [(&str, Edit); 5] = [
        ("emptied", |status| {
            status.results.clear();
            status.last_result = None;
        }),
        ("the clean one removed", |status| {
            status.results.remove(0);
        }),
        ("published a success", |status| {
            status.results[1].condition = Condition::Succeeded;
            status.last_result.as_mut().unwrap().condition = Condition::Succeeded;
        }),
        ("a success that is newer", |status| {
            status.results[0].last_probe_time = at(5000);
        }),
        ("published another failure", |status| {
            status.last_result.as_mut().unwrap().changes_hash = None;
        }),
    ];
    for (what, edit) in edits {
        let mut status = failed_once.status.clone();
        edit(&mut status);
        let restored = plan(
            &identity(),
            &status,
            &failed(20, "h", "p"),
            &failed_once.reported,
        );
        assert_eq!(restored.events, [], "{what}");
        let conditions = |planned: &PlannedReport| -> Vec<Condition> {
            let results = planned.status.results.iter();
            results.map(|result| result.condition).collect()
        };
        assert_eq!(conditions(&restored), conditions(&expected), "{what}");
        let last = restored.status.last_result.as_ref().unwrap();
        assert_eq!(last.condition, Condition::Failed, "{what}");
        assert_eq!(last.changes_hash.as_deref(), Some("h"), "{what}");
        let is_newest = |r: &ScanResult| r.last_probe_time.0 <= last.last_probe_time.0;
        assert!(restored.status.results.iter().all(is_newest), "{what}");
    }
}

/// A daemon that was killed, or that finds an old baseline after its FileIntegrity was created again, repeats no
/// event.
#[test]
fn what_a_new_baseline_accepted_is_an_event_once() {
    let accepted = Accepted {
        reason: "Annotation".to_owned(),
        differences: accepted::unknown("why"),
        ..Accepted::default()
    };
    let update = |digest: &str| NodeUpdate {
        baseline: Some(Baseline {
            created_at: at(10),
            config_hash: "c".to_owned(),
            digest: digest.to_owned(),
            entries: 3,
            aide_version: "0.19.1".to_owned(),
            state_dir: None,
            requested: true,
            accepted: Some(accepted.clone()),
        }),
        ..NodeUpdate::default()
    };
    let events = |status: &FileIntegrityNodeStatus, digest: &str| {
        let events = plan_first(status, &update(digest)).events;
        let reasons = events.iter().map(|event| event.reason);
        reasons.collect::<Vec<EventReason>>()
    };
    let mut status = empty();
    let is_new = [EventReason::ChangesAccepted];
    assert_eq!(events(&status, "d2"), is_new);
    status.metadata.creation_timestamp = Some(at(11));
    assert_eq!(events(&status, "d2"), [], "of a deleted FileIntegrity");
    status = plan_first(&status, &update("d1")).status;
    assert_eq!(events(&status, "d2"), is_new);
    assert_eq!(events(&status, "d1"), [], "it was reported");
}

#[test]
fn an_edited_baseline_or_request_is_restored() {
    let baseline = Baseline {
        created_at: at(0),
        config_hash: "c".to_owned(),
        digest: "d".to_owned(),
        entries: 3,
        aide_version: "0.19.1".to_owned(),
        state_dir: Some("/etc/kubernetes".to_owned()),
        requested: false,
        accepted: None,
    };
    let reinit = CompletedRequest {
        id: "r".to_owned(),
        started_at: at(0),
        finished_at: at(1),
    };
    let update = NodeUpdate {
        baseline: Some(baseline.clone()),
        reinit: Some(reinit.clone()),
        scan: Some(CompletedRequest {
            id: "s".to_owned(),
            ..reinit
        }),
        ..succeeded(2)
    };
    let first = plan_first(&empty(), &update);
    assert_ne!(first.status.reinit, first.status.scan);
    let edited = |edit: fn(&mut Baseline)| {
        let mut status = first.status.clone();
        edit(status.baseline.as_mut().unwrap());
        status
    };
    let mut without = first.status.clone();
    (without.baseline, without.reinit, without.scan) = (None, None, None);
    for status in [
        edited(|baseline| baseline.digest = "other".to_owned()),
        edited(|baseline| baseline.requested = true),
        edited(|baseline| baseline.state_dir = None),
        without,
        // The object was deleted and created again.
        empty(),
    ] {
        // The update has nothing but the baseline on the disk, which is not the reported one.
        let on_disk = Baseline {
            digest: "forged".to_owned(),
            ..baseline.clone()
        };
        let lost = NodeUpdate {
            baseline_on_disk: Some(on_disk),
            ..NodeUpdate::default()
        };
        let restored = plan(&identity(), &status, &lost, &first.reported);
        assert_eq!(
            body(&restored.status).unwrap(),
            body(&first.status).unwrap()
        );
        assert_eq!(restored.events, []);
    }
    let unknown = NodeUpdate {
        baseline_on_disk: Some(baseline.clone()),
        ..NodeUpdate::default()
    };
    let given = plan_first(&empty(), &unknown);
    assert_eq!(given.status.baseline, Some(baseline));
}

#[test]
fn a_success_against_another_database_than_the_recorded_one_is_not_reported() {
    let baseline = |digest: &str| Baseline {
        created_at: at(0),
        config_hash: "c".to_owned(),
        digest: digest.to_owned(),
        entries: 3,
        aide_version: "0.19.1".to_owned(),
        state_dir: None,
        requested: true,
        accepted: None,
    };
    let mut status = plan_first(&empty(), &failed(0, "h", "p")).status;
    status.baseline = Some(baseline("recorded"));
    let against = |digest: &str, update: NodeUpdate| NodeUpdate {
        scanned_digest: Some(digest.to_owned()),
        ..update
    };
    let forged = plan_first(&status, &against("other", succeeded(10)));
    assert_eq!((forged.events, forged.status), (vec![], status.clone()));
    // A new baseline is reported first.
    let with_baseline = NodeUpdate {
        baseline: Some(baseline("other")),
        ..NodeUpdate::default()
    };
    let published = plan_first(&status, &with_baseline);
    for planned in [
        plan_first(&status, &against("recorded", succeeded(10))),
        plan_first(&status, &against("other", failed(10, "h2", "p"))),
        plan_first(&status, &against("other", errored(10, "e"))),
        plan(
            &identity(),
            &published.status,
            &against("other", succeeded(10)),
            &published.reported,
        ),
    ] {
        let last = planned.status.last_result.unwrap();
        assert_eq!(last.last_probe_time, at(10));
        assert_eq!(planned.events.len(), 1);
    }
}

#[test]
fn of_two_results_of_a_condition_the_newest_is_used() {
    let mut status = plan_first(&empty(), &succeeded(0)).status;
    let mut newer = status.results[0].clone();
    newer.last_probe_time = at(7);
    status.results.push(newer);
    let after = plan_first(&status, &failed(20, "h", "p"));
    let times: Vec<_> = after
        .status
        .results
        .iter()
        .map(|r| &r.last_probe_time)
        .collect();
    assert_eq!(times, [&at(7), &at(20)]);
}

#[test]
fn a_refused_log_does_not_delay_the_result_and_is_written_again() {
    let mut first = plan_first(&empty(), &failed(0, "h", "p"));
    first.without_log();
    let message = &first.events[0].message;
    assert!(message.ends_with(LOG_NOT_WRITTEN), "{message}");
    assert_eq!(first.status.results[0].result_config_map_name, None);
    let again = plan(
        &identity(),
        &first.status,
        &failed(10, "h", "p"),
        &first.reported,
    );
    assert_eq!((again.write_log, again.events), (true, vec![]));
    let last = again.status.last_result.clone().unwrap();
    assert_eq!(
        last.result_config_map_name.as_deref(),
        Some("aide-fi-n1-failed")
    );
    let third = plan(
        &identity(),
        &again.status,
        &failed(20, "h", "p"),
        &again.reported,
    );
    assert!(!third.write_log, "it is there");
}

#[test]
fn the_status_has_one_result_of_each_condition() {
    let (mut status, reported) = (empty(), LastReported::default());
    for update in [
        succeeded(0),
        failed(1, "h", "p"),
        errored(2, "e"),
        succeeded(3),
    ] {
        status = plan(&identity(), &status, &update, &reported).status;
    }
    let conditions: Vec<_> = status.results.iter().map(|r| r.condition).collect();
    assert_eq!(
        conditions,
        [Condition::Failed, Condition::Errored, Condition::Succeeded]
    );
}

#[test]
fn the_patch_has_the_differences_and_removes_fields() {
    let failed = plan_first(&empty(), &failed(0, "h", "p")).status;
    let clean = plan_first(&failed, &succeeded(10)).status;
    insta::assert_json_snapshot!(status_patch(&failed, &clean).unwrap());
    assert_eq!(status_patch(&clean, &clean).unwrap(), None);
}

#[test]
fn the_patch_turns_one_status_into_the_other() {
    let failed = plan_first(&empty(), &failed(0, "h", "p")).status;
    let clean = plan_first(&failed, &succeeded(10)).status;
    for (from, to) in [(&empty(), &failed), (&failed, &clean), (&clean, &failed)] {
        let mut value = body(from).unwrap();
        let mut patch = status_patch(from, to).unwrap().unwrap();
        patch.as_object_mut().unwrap().remove("metadata");
        apply_merge(&mut value, &patch);
        assert_eq!(value, body(to).unwrap());
    }
}

/// RFC 7396, section 2.
fn apply_merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            apply_merge(&mut target[key], value);
        }
    }
}

#[test]
fn a_hold_is_shown_until_it_is_over_also_if_somebody_edits_it() {
    let hold = NodeHold {
        since: at(0),
        until: at(60),
        then: HoldEnd::Accept,
        holds: vec!["a".to_owned()],
    };
    let update = |hold: Option<HoldUpdate>| NodeUpdate {
        hold,
        ..NodeUpdate::default()
    };
    let first = plan_first(&empty(), &update(Some(HoldUpdate::Shown(hold.clone()))));
    assert_eq!(first.status.hold.as_ref(), Some(&hold));
    let mut edited = first.status.clone();
    edited.hold = None;
    let second = plan(&identity(), &edited, &update(None), &first.reported);
    assert_eq!(second.status.hold, Some(hold));
    let third = plan(
        &identity(),
        &second.status,
        &update(Some(HoldUpdate::Over)),
        &second.reported,
    );
    assert_eq!(third.status.hold, None);
    // A process that has not observed the status yet leaves it as it is.
    let fresh = plan_first(&first.status, &update(None));
    assert_eq!(fresh.status.hold, first.status.hold);
}
