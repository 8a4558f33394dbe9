//! Decides what of a scan's outcome is worth telling, and how the node status looks afterwards.
//! Pure: [`super::publish`] carries it out.
//!
//! The status is written at every scan (one request: it says that the node is still watched). The
//! kept log and the event come only with news: another condition, or other changes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::Identity;
use super::event::{Saying, Severity};
use super::outcome::Finding;
use crate::api::{Baseline, Condition, FileIntegrityNodeStatus, Reinit, ScanResult};

/// For an unchanged set of paths there is at most one event in this time.
const SAME_PATHS_QUIET: SignedDuration = SignedDuration::from_mins(10);

/// Something that happened on the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct News {
    /// A scan's result.
    pub finding: Option<Finding>,
    /// A new baseline.
    pub baseline: Option<Baseline>,
    /// A request that is over.
    pub reinit: Option<Reinit>,
    /// What somebody should look at besides.
    pub warning: Option<Saying>,
}

/// What was said last, for the rule about an unchanged set of paths. Not kept across restarts: one
/// event more than needed is the worst that follows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    paths_hash: Option<String>,
    /// When an event was last about paths that an event had been about before.
    again_at: Option<Timestamp>,
    left_out: u32,
}

/// What is to be done about some news.
#[derive(Clone, Debug, PartialEq)]
pub struct Telling {
    /// The status afterwards.
    pub status: FileIntegrityNodeStatus,
    /// The kept log must be written first.
    pub write_log: bool,
    /// Events to create before the status is written.
    pub events: Vec<Saying>,
    /// What tells this transition apart from a later one with the same words. It is made from the
    /// state before, so that after a crash between event and status the event gets the same name.
    pub transition: String,
    /// What was said, once this is done.
    pub said: Said,
}

/// What to do about `news`, given the status as it stands and what was said before.
pub fn decide(
    identity: &Identity,
    current: &FileIntegrityNodeStatus,
    news: &News,
    said: &Said,
) -> Telling {
    let mut telling = Telling {
        status: current.clone(),
        write_log: false,
        events: news.warning.iter().cloned().collect(),
        transition: transition(current),
        said: said.clone(),
    };
    if let Some(baseline) = &news.baseline {
        telling.status.baseline = Some(baseline.clone());
    }
    if let Some(reinit) = &news.reinit {
        telling.status.reinit = Some(reinit.clone());
    }
    if let Some(finding) = &news.finding {
        if is_the_same_error(current, finding) {
            // The warning that goes with an error was said when the error was.
            telling.events.clear();
        }
        tell_finding(identity, current, finding, &mut telling);
    }
    telling
}

fn is_the_same_error(current: &FileIntegrityNodeStatus, finding: &Finding) -> bool {
    finding.result.condition == Condition::Errored
        && current.last_result.as_ref().is_some_and(|last| {
            last.condition == Condition::Errored
                && last.error_message == finding.result.error_message
        })
}

fn transition(current: &FileIntegrityNodeStatus) -> String {
    let uid = current.metadata.uid.as_deref().unwrap_or_default();
    let since = current
        .last_result
        .as_ref()
        .map(|r| r.last_probe_time.0.as_second());
    format!("{uid}/{}", since.unwrap_or_default())
}

fn tell_finding(
    identity: &Identity,
    current: &FileIntegrityNodeStatus,
    finding: &Finding,
    telling: &mut Telling,
) {
    let last = current.last_result.as_ref();
    let mut result = finding.result.clone();
    result.last_probe_time = not_before(result.last_probe_time, last);
    if result.condition == Condition::Failed {
        result.result_config_map_name = Some(identity.kept_log());
        result.result_config_map_namespace = Some(identity.namespace.clone());
        telling.write_log = !log_is_kept(current, &result);
    }
    if let Some(saying) = news_of(identity, last, finding, &result, &mut telling.said) {
        telling.events.push(saying);
    }
    let results = &mut telling.status.results;
    results.retain(|r| r.condition != result.condition);
    // The list of changes stands once, in lastResult.
    results.push(ScanResult {
        changes: Vec::new(),
        ..result.clone()
    });
    results.sort_by_key(|r| r.last_probe_time.0);
    telling.status.last_result = Some(result);
}

/// A clock that was set back must not make a newer result look older than the last one.
fn not_before(at: Time, last: Option<&ScanResult>) -> Time {
    match last {
        Some(last) if at.0 <= last.last_probe_time.0 => {
            Time(last.last_probe_time.0 + SignedDuration::from_secs(1))
        }
        _ => at,
    }
}

/// The kept log of the newest failed result holds just these changes.
fn log_is_kept(current: &FileIntegrityNodeStatus, result: &ScanResult) -> bool {
    current.results.iter().any(|r| {
        r.condition == Condition::Failed
            && r.changes_hash.is_some()
            && r.changes_hash == result.changes_hash
    })
}

fn news_of(
    identity: &Identity,
    last: Option<&ScanResult>,
    finding: &Finding,
    result: &ScanResult,
    said: &mut Said,
) -> Option<Saying> {
    let same_condition = last.is_some_and(|l| l.condition == result.condition);
    let node = &identity.node;
    match result.condition {
        Condition::Succeeded if same_condition => None,
        Condition::Succeeded => Some(Saying {
            severity: Severity::Normal,
            reason: "NodeIntegrityStatus",
            message: format!("no changes to node {node}"),
        }),
        Condition::Errored => {
            let message = result.error_message.as_deref().unwrap_or_default();
            let told =
                same_condition && last.is_some_and(|l| l.error_message == result.error_message);
            (!told).then(|| Saying {
                severity: Severity::Warning,
                reason: "NodeIntegrityStatus",
                message: format!("node {node} has an error! {message}"),
            })
        }
        Condition::Failed => {
            let told =
                same_condition && last.is_some_and(|l| l.changes_hash == result.changes_hash);
            (!told)
                .then(|| failure(identity, same_condition, finding, result, said))
                .flatten()
        }
    }
}

/// The event of changes that were not told yet. What differs anew in files that were told of makes
/// an event too, but only one in ten minutes: a file that is written all the time would make one
/// with every scan.
fn failure(
    identity: &Identity,
    same_condition: bool,
    finding: &Finding,
    result: &ScanResult,
    said: &mut Said,
) -> Option<Saying> {
    let now = result.last_probe_time.0;
    let same_paths = same_condition && said.paths_hash == finding.paths_hash;
    let quiet = same_paths
        && said
            .again_at
            .is_some_and(|at| now.duration_since(at) < SAME_PATHS_QUIET);
    if quiet {
        said.left_out += 1;
        return None;
    }
    let left_out = match said.left_out {
        0 => String::new(),
        n => format!(" ({n} earlier changes to the same files were not reported one by one)"),
    };
    *said = Said {
        paths_hash: finding.paths_hash.clone(),
        again_at: same_paths.then_some(now),
        left_out: 0,
    };
    Some(Saying {
        severity: Severity::Warning,
        reason: "NodeIntegrityStatus",
        message: format!(
            "node {} has changed! a:{},c:{},r:{} log:{}/{}{left_out}",
            identity.node,
            result.files_added,
            result.files_changed,
            result.files_removed,
            identity.namespace,
            identity.kept_log(),
        ),
    })
}

/// The JSON merge patch (RFC 7396) that turns `current` into `wanted`, bound to the object's uid,
/// so that it never reaches another object of the same name. None where nothing differs.
pub fn patch(
    current: &FileIntegrityNodeStatus,
    wanted: &FileIntegrityNodeStatus,
) -> Result<Option<Value>, serde_json::Error> {
    let Some(mut patch) = merge_difference(&body(current)?, &body(wanted)?) else {
        return Ok(None);
    };
    patch["metadata"] = serde_json::json!({"uid": current.metadata.uid});
    Ok(Some(patch))
}

fn body(status: &FileIntegrityNodeStatus) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(status)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("metadata");
    }
    Ok(value)
}

fn merge_difference(from: &Value, to: &Value) -> Option<Value> {
    match (from, to) {
        _ if from == to => None,
        (Value::Object(from), Value::Object(to)) => {
            let mut patch = Map::new();
            for key in from.keys().filter(|key| !to.contains_key(*key)) {
                patch.insert(key.clone(), Value::Null);
            }
            for (key, value) in to {
                let difference = match from.get(key) {
                    Some(old) => merge_difference(old, value),
                    None => Some(value.clone()),
                };
                if let Some(difference) = difference {
                    patch.insert(key.clone(), difference);
                }
            }
            Some(Value::Object(patch))
        }
        _ => Some(to.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            namespace: "ns".to_owned(),
            file_integrity: "fi".to_owned(),
            node: "n1".to_owned(),
            log_prefix: "aide-fi".to_owned(),
        }
    }

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

    fn succeeded(second: i64) -> News {
        finding(ScanResult::new(Condition::Succeeded, at(second)), None)
    }

    fn failed(second: i64, hash: &str, paths: &str) -> News {
        let mut result = ScanResult::new(Condition::Failed, at(second));
        result.files_changed = 1;
        result.changes_hash = Some(hash.to_owned());
        finding(result, Some(paths.to_owned()))
    }

    fn errored(second: i64, message: &str) -> News {
        let mut result = ScanResult::new(Condition::Errored, at(second));
        result.error_message = Some(message.to_owned());
        finding(result, None)
    }

    fn finding(result: ScanResult, paths_hash: Option<String>) -> News {
        News {
            finding: Some(Finding { result, paths_hash }),
            ..News::default()
        }
    }

    /// Tells each in turn; returns per news whether a log was written, and the events' messages.
    fn story(news: &[News]) -> Vec<(bool, Vec<String>)> {
        let (mut status, mut said) = (empty(), Said::default());
        news.iter()
            .map(|news| {
                let telling = decide(&identity(), &status, news, &said);
                status = telling.status;
                said = telling.said;
                let messages = telling.events.into_iter().map(|e| e.message).collect();
                (telling.write_log, messages)
            })
            .collect()
    }

    #[test]
    fn a_life_of_results() {
        let told = story(&[
            succeeded(0),
            succeeded(10),
            failed(20, "h1", "p1"),
            failed(30, "h1", "p1"),
            failed(40, "h2", "p2"),
            errored(50, "AIDE error: 18 IO error"),
            errored(60, "AIDE error: 18 IO error"),
            failed(70, "h2", "p2"),
            succeeded(80),
        ]);
        insta::assert_json_snapshot!(told);
    }

    #[test]
    fn new_content_in_the_same_files_is_told_at_most_every_ten_minutes() {
        let told = story(&[
            failed(0, "h1", "p"),
            failed(100, "h2", "p"),
            failed(200, "h3", "p"),
            failed(690, "h4", "p"),
            failed(700, "h5", "p"),
            failed(710, "h6", "other"),
            failed(720, "h7", "other"),
        ]);
        let messages: Vec<_> = told.iter().map(|(_, m)| m.join("")).collect();
        let message = "node n1 has changed! a:0,c:1,r:0 log:ns/aide-fi-n1-failed";
        let left_out = " (2 earlier changes to the same files were not reported one by one)";
        let with_left_out = format!("{message}{left_out}");
        assert_eq!(
            messages,
            [message, message, "", "", &with_left_out, message, message]
        );
        assert!(
            told.iter().all(|(log, _)| *log),
            "the kept log follows every change"
        );
    }

    #[test]
    fn after_a_restart_nothing_is_told_again() {
        let first = decide(
            &identity(),
            &empty(),
            &failed(0, "h", "p"),
            &Said::default(),
        );
        let again = decide(
            &identity(),
            &first.status,
            &failed(20, "h", "p"),
            &Said::default(),
        );
        assert_eq!(again.events, []);
        assert!(!again.write_log);
    }

    #[test]
    fn a_crash_before_the_status_was_written_leads_to_the_same_transition() {
        let before = decide(
            &identity(),
            &empty(),
            &failed(0, "h", "p"),
            &Said::default(),
        );
        let after = decide(
            &identity(),
            &empty(),
            &failed(9, "h", "p"),
            &Said::default(),
        );
        assert_eq!(before.transition, after.transition);
        let later = decide(
            &identity(),
            &before.status,
            &succeeded(20),
            &Said::default(),
        );
        assert_ne!(before.transition, later.transition);
    }

    #[test]
    fn a_clock_set_back_does_not_hide_a_newer_result() {
        let first = decide(&identity(), &empty(), &succeeded(1000), &Said::default());
        let second = decide(
            &identity(),
            &first.status,
            &failed(5, "h", "p"),
            &Said::default(),
        );
        let last = second.status.last_result.unwrap();
        assert_eq!(last.condition, Condition::Failed);
        assert_eq!(last.last_probe_time, at(1001));
        assert_eq!(
            second.status.results.last().unwrap().last_probe_time,
            at(1001)
        );
    }

    #[test]
    fn one_result_of_each_condition_stays() {
        let (mut status, said) = (empty(), Said::default());
        for news in [
            succeeded(0),
            failed(1, "h", "p"),
            errored(2, "e"),
            succeeded(3),
        ] {
            status = decide(&identity(), &status, &news, &said).status;
        }
        let conditions: Vec<_> = status.results.iter().map(|r| r.condition).collect();
        assert_eq!(
            conditions,
            [Condition::Failed, Condition::Errored, Condition::Succeeded]
        );
    }

    #[test]
    fn the_patch_holds_what_differs_and_removes_what_is_gone() {
        let failed = decide(
            &identity(),
            &empty(),
            &failed(0, "h", "p"),
            &Said::default(),
        )
        .status;
        let clean = decide(&identity(), &failed, &succeeded(10), &Said::default()).status;
        insta::assert_json_snapshot!(patch(&failed, &clean).unwrap());
        assert_eq!(patch(&clean, &clean).unwrap(), None);
    }

    #[test]
    fn applying_the_patch_gives_what_was_wanted() {
        let failed = decide(
            &identity(),
            &empty(),
            &failed(0, "h", "p"),
            &Said::default(),
        )
        .status;
        let clean = decide(&identity(), &failed, &succeeded(10), &Said::default()).status;
        for (from, to) in [(&empty(), &failed), (&failed, &clean), (&clean, &failed)] {
            let mut value = body(from).unwrap();
            let mut patch = patch(from, to).unwrap().unwrap();
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
}
