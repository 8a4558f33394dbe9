//! Decides what of a scan's outcome is worth telling, and how the node status looks afterwards.
//! Pure: [`super::publish`] carries it out.
//!
//! The status is written at every scan (one request: it says that the node is still watched). The
//! kept log and the event come only with news: another condition, or other changes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::Identity;
use super::change_set::ChangeSet;
use super::event::{EventMessage, Severity};
use super::outcome::Finding;
use crate::api::{Baseline, Condition, EventReason, FileIntegrityNodeStatus, Reinit, ScanResult};

/// For an unchanged set of paths there is at most one event in this time.
const SAME_PATHS_QUIET: SignedDuration = SignedDuration::from_mins(10);

/// Before the name of the kept log in an event.
const LOG: &str = " log:";
/// Behind it, where it could not be written.
const NO_LOG: &str = " (which could not be written: the daemon's log says why)";

/// Something that happened on the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct News {
    /// A scan's result.
    pub finding: Option<Finding>,
    /// The digest of the database that the scan compared with, where it is known.
    pub compared_with: Option<String>,
    /// A new baseline.
    pub baseline: Option<Baseline>,
    /// The baseline that lies on the node, where the status has lost its own and this publisher has
    /// written none yet.
    pub on_disk: Option<Baseline>,
    /// A request that is over.
    pub reinit: Option<Reinit>,
    /// What somebody should look at besides.
    pub warning: Option<EventMessage>,
}

/// The results that the status held before this publisher's first write, and holds since its last
/// one that was answered. Not those that it holds now: of a write whose answer is lost nobody knows
/// whether it was carried out, and what goes with it has to be decided as before.
#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    /// The newest result, with its changes.
    last: Option<ScanResult>,
    /// The newest result of each condition.
    results: Vec<ScanResult>,
}

/// What was said last: for the rule about an unchanged set of paths, and to put back what others have
/// edited. Not kept across restarts: one event more than needed is the worst that follows, and a
/// result that was edited away before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The changes of the last event about changes.
    changes: Option<Box<ChangeSet>>,
    /// When, on the node's clock, an event was last about paths that an event had been about before.
    again_at: Option<Timestamp>,
    left_out: u32,
    /// The baseline as it was written last.
    baseline: Option<Baseline>,
    /// The request that was told last.
    reinit: Option<Reinit>,
    /// None before the first look at the status.
    known: Option<Known>,
    /// The API took the newest failed result, but not its kept log.
    log_refused: bool,
}

/// What is to be done about some news.
#[derive(Clone, Debug, PartialEq)]
pub struct Telling {
    /// The status afterwards.
    pub status: FileIntegrityNodeStatus,
    /// The kept log must be written first.
    pub write_log: bool,
    /// Events to create before the status is written.
    pub events: Vec<EventMessage>,
    /// What tells this transition apart from a later one with the same words. It is made from the
    /// state before, so that after a crash between event and status the event gets the same name.
    pub transition: String,
    /// What was said, once this is done.
    pub said: Said,
}

impl Said {
    /// Takes the results as they are, at the first look at the status. Later they are known, whatever
    /// a hand or a write without an answer has made of them.
    pub fn begin_with(&mut self, current: &FileIntegrityNodeStatus) {
        self.known.get_or_insert_with(|| Known {
            last: current.last_result.clone(),
            results: newest_of_each(&current.results),
        });
    }
}

impl Telling {
    /// The kept log cannot be written: somebody has made it another's, or immutable. The result does
    /// not wait for that. It names no log, and the log is tried again with the next scan.
    pub fn without_log(&mut self) {
        let status = &mut self.status;
        let written = status.last_result.iter_mut().chain(&mut status.results);
        let known = self.said.known.iter_mut();
        let known = known.flat_map(|known| known.last.iter_mut().chain(&mut known.results));
        for result in written.chain(known) {
            if result.condition == Condition::Failed {
                result.result_config_map_name = None;
                result.result_config_map_namespace = None;
            }
        }
        for saying in &mut self.events {
            if saying.message.contains(LOG) {
                saying.message.push_str(NO_LOG);
            }
        }
        self.said.log_refused = true;
    }
}

/// What to do about `news`, given the status as it stands and what was said before.
pub fn decide(
    identity: &Identity,
    current: &FileIntegrityNodeStatus,
    news: &News,
    said: &Said,
) -> Telling {
    let mut said = said.clone();
    said.begin_with(current);
    let known = said.known.clone().unwrap_or_default();
    let mut telling = Telling {
        status: current.clone(),
        write_log: false,
        events: news.warning.iter().cloned().collect(),
        transition: transition(current, known.last.as_ref()),
        said,
    };
    put_right(&mut telling, news, &known);
    let baseline = telling.status.baseline.as_ref();
    let finding = news.finding.as_ref();
    if let Some(finding) = finding.filter(|finding| proves(finding, news, baseline)) {
        if is_the_same_error(known.last.as_ref(), finding) {
            // The warning that goes with an error was said when the error was.
            telling.events.clear();
        }
        tell_finding(identity, current, finding, &known, &mut telling);
    }
    telling
}

/// A success against a database that is not the recorded baseline proves nothing: both the database
/// and its record may have been replaced while the API was unreachable and nobody could compare them.
/// Whether the database can be explained is reported separately; then the next scan is a success.
fn proves(finding: &Finding, news: &News, baseline: Option<&Baseline>) -> bool {
    let is_other = match (&news.compared_with, baseline) {
        (Some(digest), Some(baseline)) => *digest != baseline.digest,
        _ => false,
    };
    finding.result.condition != Condition::Succeeded || !is_other
}

/// What this publisher has written stands, whatever a hand has made of it since: nobody else writes
/// it. What it has not written itself, before a restart, it takes as it is.
fn put_right(telling: &mut Telling, news: &News, known: &Known) {
    let (status, said) = (&mut telling.status, &mut telling.said);
    let baseline = news.baseline.as_ref().or(said.baseline.as_ref());
    if let Some(baseline) = baseline.or(news.on_disk.as_ref()) {
        status.baseline = Some(baseline.clone());
    }
    if let Some(reinit) = news.reinit.as_ref().or(said.reinit.as_ref()) {
        status.reinit = Some(reinit.clone());
    }
    status.last_result.clone_from(&known.last);
    status.results.clone_from(&known.results);
    said.baseline.clone_from(&status.baseline);
    said.reinit.clone_from(&status.reinit);
}

fn is_the_same_error(last: Option<&ScanResult>, finding: &Finding) -> bool {
    finding.result.condition == Condition::Errored
        && last.is_some_and(|last| {
            last.condition == Condition::Errored
                && last.error_message == finding.result.error_message
        })
}

fn transition(current: &FileIntegrityNodeStatus, last: Option<&ScanResult>) -> String {
    let uid = current.metadata.uid.as_deref().unwrap_or_default();
    let since = last.map(|r| r.last_probe_time.0.as_second());
    format!("{uid}/{}", since.unwrap_or_default())
}

fn tell_finding(
    identity: &Identity,
    current: &FileIntegrityNodeStatus,
    finding: &Finding,
    known: &Known,
    telling: &mut Telling,
) {
    let mut result = finding.result.clone();
    let before = known.last.iter().chain(&known.results);
    result.last_probe_time = not_before(result.last_probe_time, before);
    if result.condition == Condition::Failed {
        result.result_config_map_name = Some(identity.kept_log());
        result.result_config_map_namespace = Some(identity.namespace.clone());
        telling.write_log = telling.said.log_refused || !log_is_kept(current, &result);
        telling.said.log_refused = false;
    }
    if let Some(saying) = news_of(
        identity,
        known.last.as_ref(),
        finding,
        &result,
        &mut telling.said,
    ) {
        telling.events.push(saying);
    }
    let results = &mut telling.status.results;
    results.retain(|r| r.condition != result.condition);
    // The lists stand once, in lastResult.
    results.push(ScanResult {
        changes: Vec::new(),
        unwatched_rules: Vec::new(),
        ..result.clone()
    });
    results.sort_by_key(|r| r.last_probe_time.0);
    telling.said.known = Some(Known {
        last: Some(result.clone()),
        results: results.clone(),
    });
    telling.status.last_result = Some(result);
}

/// At most one of each condition: a hand may have left two.
fn newest_of_each(results: &[ScanResult]) -> Vec<ScanResult> {
    let mut newest: Vec<ScanResult> = Vec::new();
    for result in results {
        match newest.iter_mut().find(|r| r.condition == result.condition) {
            Some(known) if known.last_probe_time.0 < result.last_probe_time.0 => {
                known.clone_from(result);
            }
            Some(_) => {}
            None => newest.push(result.clone()),
        }
    }
    newest
}

/// A clock that was set back must not make a newer result look older than those before.
fn not_before<'a>(at: Time, before: impl Iterator<Item = &'a ScanResult>) -> Time {
    match before.map(|result| result.last_probe_time.0).max() {
        // At the end of time (a hand may have written it) the clock is right after all.
        Some(last) if at.0 <= last => {
            let next = last.checked_add(SignedDuration::from_secs(1));
            Time(next.unwrap_or(at.0))
        }
        _ => at,
    }
}

/// The kept log of the newest failed result holds just these changes. A result that names no log has
/// none: the API refused it.
fn log_is_kept(current: &FileIntegrityNodeStatus, result: &ScanResult) -> bool {
    current.results.iter().any(|r| {
        r.condition == Condition::Failed
            && r.result_config_map_name.is_some()
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
) -> Option<EventMessage> {
    let same_condition = last.is_some_and(|l| l.condition == result.condition);
    let node = &identity.node;
    match result.condition {
        Condition::Succeeded if same_condition => None,
        Condition::Succeeded => Some(EventMessage {
            severity: Severity::Normal,
            reason: EventReason::NodeIntegrityStatus,
            message: format!("no changes to node {node}"),
        }),
        Condition::Errored => {
            let message = result.error_message.as_deref().unwrap_or_default();
            let told =
                same_condition && last.is_some_and(|l| l.error_message == result.error_message);
            (!told).then(|| EventMessage {
                severity: Severity::Warning,
                reason: EventReason::NodeIntegrityStatus,
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
) -> Option<EventMessage> {
    // The clock itself, not the time of the result: that creeps where the clock was set back.
    let now = finding.result.last_probe_time.0;
    let same_paths = same_condition
        && match (&said.changes, &finding.changes) {
            (Some(before), Some(now)) => now.has_paths_of(before),
            (before, now) => before.is_none() && now.is_none(),
        };
    let quiet = same_paths
        && said
            .again_at
            .is_some_and(|at| at <= now && now.duration_since(at) < SAME_PATHS_QUIET);
    if quiet {
        said.left_out += 1;
        return None;
    }
    let left_out = match said.left_out {
        0 => String::new(),
        n => format!(" ({n} earlier changes to the same files were not reported one by one)"),
    };
    *said = Said {
        changes: finding.changes.clone(),
        again_at: same_paths.then_some(now),
        left_out: 0,
        ..std::mem::take(said)
    };
    Some(EventMessage {
        severity: Severity::Warning,
        reason: EventReason::NodeIntegrityStatus,
        message: format!(
            "node {} has changed! a:{},c:{},r:{}{LOG}{}/{}{left_out}",
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
    use crate::scan::change_set::tests::named;
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

    fn succeeded(second: i64) -> News {
        finding(ScanResult::new(Condition::Succeeded, at(second)), None)
    }

    fn failed(second: i64, hash: &str, paths: &str) -> News {
        let mut result = ScanResult::new(Condition::Failed, at(second));
        result.files_changed = 1;
        result.changes_hash = Some(hash.to_owned());
        finding(result, Some(Box::new(named(hash, paths))))
    }

    fn errored(second: i64, message: &str) -> News {
        let mut result = ScanResult::new(Condition::Errored, at(second));
        result.error_message = Some(message.to_owned());
        finding(result, None)
    }

    fn finding(result: ScanResult, changes: Option<Box<ChangeSet>>) -> News {
        News {
            finding: Some(Finding { result, changes }),
            ..News::default()
        }
    }

    /// What is told by who has told nothing yet.
    fn tells(status: &FileIntegrityNodeStatus, news: &News) -> Telling {
        decide(&identity(), status, news, &Said::default())
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
        let first = tells(&empty(), &failed(0, "h", "p"));
        let again = tells(&first.status, &failed(20, "h", "p"));
        assert_eq!(again.events, []);
        assert!(!again.write_log);
    }

    #[test]
    fn a_crash_before_the_status_was_written_leads_to_the_same_transition() {
        let before = tells(&empty(), &failed(0, "h", "p"));
        let after = tells(&empty(), &failed(9, "h", "p"));
        assert_eq!(before.transition, after.transition);
        let later = tells(&before.status, &succeeded(20));
        assert_ne!(before.transition, later.transition);
    }

    /// A write that was carried out without an answer is decided again, with the status that it has
    /// left or the one before.
    #[test]
    fn after_a_lost_answer_the_same_is_decided() {
        let changed_before = tells(&empty(), &failed(0, "h", "p"));
        let clean_before = tells(&empty(), &succeeded(0));
        let warned = |news: News| News {
            warning: Some(EventMessage {
                severity: Severity::Warning,
                reason: EventReason::UnrequestedReinit,
                message: "m".to_owned(),
            }),
            ..news
        };
        for (before, said) in [
            (empty(), Said::default()),
            (clean_before.status.clone(), Said::default()),
            (clean_before.status, clean_before.said),
            (changed_before.status, changed_before.said),
        ] {
            for news in [
                succeeded(10),
                failed(10, "h", "p"),
                failed(10, "h2", "p"),
                errored(10, "e"),
                warned(succeeded(10)),
                warned(errored(10, "e")),
            ] {
                let mut said = said.clone();
                said.begin_with(&before);
                let first = decide(&identity(), &before, &news, &said);
                let again = decide(&identity(), &first.status, &news, &said);
                assert_eq!(again.transition, first.transition);
                assert_eq!(again.events, first.events);
                assert_eq!(again.said, first.said);
                assert_eq!(patch(&first.status, &again.status).unwrap(), None);
            }
        }
    }

    #[test]
    fn a_log_that_was_refused_is_tried_again_after_a_restart() {
        let mut first = tells(&empty(), &failed(0, "h", "p"));
        first.without_log();
        assert!(tells(&first.status, &failed(10, "h", "p")).write_log);
    }

    #[test]
    fn a_clock_set_back_does_not_hide_a_newer_result() {
        let first = tells(&empty(), &succeeded(1000));
        let second = tells(&first.status, &failed(5, "h", "p"));
        let last = second.status.last_result.unwrap();
        assert_eq!(last.condition, Condition::Failed);
        assert_eq!(last.last_probe_time, at(1001));
        assert_eq!(
            second.status.results.last().unwrap().last_probe_time,
            at(1001)
        );
    }

    #[test]
    fn a_clock_set_back_does_not_keep_new_content_quiet_for_long() {
        let told = story(&[
            failed(100_000, "h1", "p"),
            failed(100_100, "h2", "p"),
            failed(0, "h3", "p"),
            failed(300, "h4", "p"),
            failed(600, "h5", "p"),
        ]);
        let told: Vec<bool> = told.iter().map(|(_, m)| !m.is_empty()).collect();
        assert_eq!(told, [true, true, true, false, true]);
    }

    #[test]
    fn a_time_from_the_end_of_all_times_blocks_nothing() {
        let mut first = tells(&empty(), &succeeded(0));
        let last = first.status.last_result.as_mut().unwrap();
        last.last_probe_time = Time(Timestamp::MAX);
        let second = decide(&identity(), &first.status, &succeeded(10), &first.said);
        let last = second.status.last_result.unwrap();
        assert_eq!(last.last_probe_time, at(10));
    }

    #[test]
    fn what_a_hand_makes_of_results_is_put_right_and_not_told_again() {
        type Edit = fn(&mut FileIntegrityNodeStatus);
        let clean = tells(&empty(), &succeeded(0));
        let changed = failed(10, "h", "p");
        let told = decide(&identity(), &clean.status, &changed, &clean.said);
        let expected = decide(&identity(), &told.status, &failed(20, "h", "p"), &told.said);
        let edits: [(&str, Edit); 5] = [
            ("emptied", |status| {
                status.results.clear();
                status.last_result = None;
            }),
            ("the clean one removed", |status| {
                status.results.remove(0);
            }),
            ("made a success", |status| {
                status.results[1].condition = Condition::Succeeded;
                status.last_result.as_mut().unwrap().condition = Condition::Succeeded;
            }),
            ("a success that is newer", |status| {
                status.results[0].last_probe_time = at(5000);
            }),
            ("made another failure", |status| {
                status.last_result.as_mut().unwrap().changes_hash = None;
            }),
        ];
        for (what, edit) in edits {
            let mut status = told.status.clone();
            edit(&mut status);
            let mended = decide(&identity(), &status, &failed(20, "h", "p"), &told.said);
            assert_eq!(mended.events, [], "{what}");
            let conditions = |telling: &Telling| -> Vec<Condition> {
                let results = telling.status.results.iter();
                results.map(|result| result.condition).collect()
            };
            assert_eq!(conditions(&mended), conditions(&expected), "{what}");
            let last = mended.status.last_result.as_ref().unwrap();
            assert_eq!(last.condition, Condition::Failed, "{what}");
            assert_eq!(last.changes_hash.as_deref(), Some("h"), "{what}");
            let is_newest = |r: &ScanResult| r.last_probe_time.0 <= last.last_probe_time.0;
            assert!(mended.status.results.iter().all(is_newest), "{what}");
        }
    }

    #[test]
    fn what_a_hand_makes_of_a_baseline_or_a_request_is_put_right() {
        let baseline = Baseline {
            created_at: at(0),
            config_hash: "c".to_owned(),
            digest: "d".to_owned(),
            entries: 3,
            aide_version: "0.19.1".to_owned(),
            state_dir: Some("/etc/kubernetes".to_owned()),
            requested: false,
        };
        let reinit = Reinit {
            id: "r".to_owned(),
            started_at: at(0),
            finished_at: at(1),
        };
        let news = News {
            baseline: Some(baseline.clone()),
            reinit: Some(reinit),
            ..succeeded(2)
        };
        let told = tells(&empty(), &news);
        let edited = |edit: fn(&mut Baseline)| {
            let mut status = told.status.clone();
            edit(status.baseline.as_mut().unwrap());
            status
        };
        let mut without = told.status.clone();
        (without.baseline, without.reinit) = (None, None);
        for status in [
            edited(|baseline| baseline.digest = "other".to_owned()),
            edited(|baseline| baseline.requested = true),
            edited(|baseline| baseline.state_dir = None),
            without,
            // A new object in the place of one that was deleted.
            empty(),
        ] {
            // Also where nothing is new: the status has lost its baseline.
            let on_disk = Baseline {
                digest: "forged".to_owned(),
                ..baseline.clone()
            };
            let lost = News {
                on_disk: Some(on_disk),
                ..News::default()
            };
            let mended = decide(&identity(), &status, &lost, &told.said);
            assert_eq!(body(&mended.status).unwrap(), body(&told.status).unwrap());
            assert_eq!(mended.events, []);
        }
        let unknown = News {
            on_disk: Some(baseline.clone()),
            ..News::default()
        };
        let given = tells(&empty(), &unknown);
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
        };
        let mut status = tells(&empty(), &failed(0, "h", "p")).status;
        status.baseline = Some(baseline("recorded"));
        let against = |digest: &str, news: News| News {
            compared_with: Some(digest.to_owned()),
            ..news
        };
        let forged = tells(&status, &against("other", succeeded(10)));
        assert_eq!((forged.events, forged.status), (vec![], status.clone()));
        // A new baseline is reported first.
        let with_baseline = News {
            baseline: Some(baseline("other")),
            ..News::default()
        };
        let made = tells(&status, &with_baseline);
        for telling in [
            tells(&status, &against("recorded", succeeded(10))),
            tells(&status, &against("other", failed(10, "h2", "p"))),
            tells(&status, &against("other", errored(10, "e"))),
            decide(
                &identity(),
                &made.status,
                &against("other", succeeded(10)),
                &made.said,
            ),
        ] {
            let last = telling.status.last_result.unwrap();
            assert_eq!(last.last_probe_time, at(10));
            assert_eq!(telling.events.len(), 1);
        }
    }

    #[test]
    fn two_results_of_a_condition_are_one_after_a_restart() {
        let mut status = tells(&empty(), &succeeded(0)).status;
        let mut newer = status.results[0].clone();
        newer.last_probe_time = at(7);
        status.results.push(newer);
        let after = tells(&status, &failed(20, "h", "p"));
        let times: Vec<_> = after
            .status
            .results
            .iter()
            .map(|r| &r.last_probe_time)
            .collect();
        assert_eq!(times, [&at(7), &at(20)]);
    }

    #[test]
    fn a_log_that_is_refused_holds_no_result_back_and_is_tried_again() {
        let mut first = tells(&empty(), &failed(0, "h", "p"));
        first.without_log();
        let message = &first.events[0].message;
        assert!(message.ends_with(NO_LOG), "{message}");
        assert_eq!(first.status.results[0].result_config_map_name, None);
        let again = decide(
            &identity(),
            &first.status,
            &failed(10, "h", "p"),
            &first.said,
        );
        assert_eq!((again.write_log, again.events), (true, vec![]));
        let last = again.status.last_result.clone().unwrap();
        assert_eq!(
            last.result_config_map_name.as_deref(),
            Some("aide-fi-n1-failed")
        );
        let third = decide(
            &identity(),
            &again.status,
            &failed(20, "h", "p"),
            &again.said,
        );
        assert!(!third.write_log, "it is there");
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
        let failed = tells(&empty(), &failed(0, "h", "p")).status;
        let clean = tells(&failed, &succeeded(10)).status;
        insta::assert_json_snapshot!(patch(&failed, &clean).unwrap());
        assert_eq!(patch(&clean, &clean).unwrap(), None);
    }

    #[test]
    fn applying_the_patch_gives_what_was_wanted() {
        let failed = tells(&empty(), &failed(0, "h", "p")).status;
        let clean = tells(&failed, &succeeded(10)).status;
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
