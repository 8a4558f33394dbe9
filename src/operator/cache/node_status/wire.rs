//! Decodes a FileIntegrityNodeStatus into its cached form. Pure.
//!
//! Every value that the schema of the definition allows is accepted: one odd object must not keep all
//! others from being read.

mod first_change;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::{Deserialize, Deserializer};

use self::first_change::FirstChange;
use super::super::delegate_kind::delegate_kind;
use super::super::fingerprint::fingerprint;
use super::super::interner::{Interner, TextInterner};
use super::{
    CachedAnswer, CachedBaseline, CachedNodeStatus, CachedProgress, CachedRealtime, LastResult,
    NodeReport, Owner, ReportedChangeSet, Shared,
};
use crate::aide::report::display_path;
use crate::api::{
    AcceptanceState, ChangeSetId, Condition, DesiredNodeState, FileIntegrityNodeStatus,
    MAX_ANNOUNCED, RealtimeState, ReportedErrorClass, Trigger, UnwatchedRule, names,
};
use crate::text::shorten_middle;

/// Maximum size in bytes of what is kept of a rule that watches nothing.
const MAX_RULE: usize = 512;
/// Maximum size in bytes of what is kept of why a node does not report all changes at once.
const MAX_EXPLANATION: usize = 256;
/// Maximum size in bytes of what is kept of the reason and the message of a refusal. The reasons are shorter.
const MAX_REFUSAL_REASON: usize = 64;
const MAX_REFUSAL: usize = 256;

/// The labels that all statuses of a FileIntegrity share.
const SHARED_LABELS: [&str; 2] = [names::Label::OWNER, names::Label::REINIT_OWNER];

/// A status as the watch receives it.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedNodeStatus {
    /// Name and resource version only.
    metadata: ObjectMeta,
    wire: Wire,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    metadata: WireMeta,
    #[serde(default)]
    node_name: String,
    #[serde(default)]
    results: Vec<WireResult>,
    last_result: Option<WireResult>,
    baseline: Option<WireBaseline>,
    reinit: Option<WireReinit>,
    hold: Option<WireHold>,
    realtime: Option<WireRealtime>,
    acceptance: Option<WireAnswer>,
    #[serde(default)]
    announced: Vec<WireProgress>,
    last_full_scan: Option<WireTime>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireMeta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<WireTime>,
    deletion_timestamp: Option<WireTime>,
    #[serde(deserialize_with = "null_as_default")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_as_default")]
    annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_as_default")]
    owner_references: Vec<WireOwner>,
    #[serde(deserialize_with = "null_as_default")]
    managed_fields: Vec<WireEntry>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireOwner {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
    controller: Option<bool>,
    block_owner_deletion: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
struct WireEntry {
    time: Option<WireTime>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireResult {
    condition: Condition,
    last_probe_time: WireTime,
    trigger: Option<Trigger>,
    #[serde(default)]
    files_added: i64,
    #[serde(default)]
    files_changed: i64,
    #[serde(default)]
    files_removed: i64,
    error_message: Option<String>,
    error_class: Option<String>,
    #[serde(default)]
    unwatched_rules: Vec<UnwatchedRule>,
    files_scanned: Option<i64>,
    duration_milliseconds: Option<i64>,
    #[serde(default)]
    changes: FirstChange,
    changes_hash: Option<String>,
    changes_hash_version: Option<i64>,
    change_set: Option<String>,
    paths_hash: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBaseline {
    created_at: WireTime,
    config_hash: String,
    digest: String,
    requested: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct WireHold {
    since: WireTime,
}

#[derive(Clone, Debug, Deserialize)]
struct WireReinit {
    id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAnswer {
    uid: String,
    attempt: i64,
    state: AcceptanceState,
    reason: Option<String>,
    message: Option<String>,
    finished_at: WireTime,
    old_digest: Option<String>,
    new_digest: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireProgress {
    uid: String,
    accepted: i64,
    remaining: i64,
    message: Option<String>,
    accepted_at: Option<WireTime>,
    old_digest: Option<String>,
    new_digest: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct WireRealtime {
    state: RealtimeState,
    reason: Option<String>,
    message: Option<String>,
    #[serde(default)]
    overflows: i64,
    #[serde(default)]
    missed: i64,
}

/// A time. The API accepts some that cannot be computed with, such as the last second of the year 9999.
/// These count as the epoch.
#[derive(Clone, Copy, Debug)]
struct WireTime(Timestamp);

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(text.parse().unwrap_or(Timestamp::UNIX_EPOCH)))
    }
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl<'de> Deserialize<'de> for ReceivedNodeStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut wire = Wire::deserialize(deserializer)?;
        let metadata = ObjectMeta {
            name: wire.metadata.name.take(),
            resource_version: wire.metadata.resource_version.take(),
            ..ObjectMeta::default()
        };
        Ok(Self { metadata, wire })
    }
}

impl Resource for ReceivedNodeStatus {
    type Scope = kube::core::NamespaceResourceScope;

    delegate_kind!(FileIntegrityNodeStatus);

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Decodes a FileIntegrityNodeStatus into its cached form.
#[derive(Debug)]
pub(crate) struct NodeStatusConverter {
    texts: Arc<TextInterner>,
    desired: Interner<DesiredNodeState>,
    shared: Interner<Shared>,
    change_sets: Interner<ReportedChangeSet>,
}

impl NodeStatusConverter {
    /// `texts` may be shared with other users.
    pub(crate) fn new(texts: Arc<TextInterner>) -> Self {
        Self {
            texts,
            desired: Interner::default(),
            shared: Interner::default(),
            change_sets: Interner::default(),
        }
    }

    pub(crate) fn convert(&self, received: ReceivedNodeStatus) -> CachedNodeStatus {
        let ReceivedNodeStatus { metadata, wire } = received;
        let meta = &wire.metadata;
        let times = meta.managed_fields.iter().filter_map(|entry| entry.time);
        let times = times.chain(meta.creation_timestamp).map(|time| time.0);
        let node_label = meta.labels.get(names::Label::NODE);
        let desired = DesiredNodeState::from_annotations(&meta.annotations);
        let is_applied = meta
            .annotations
            .contains_key(names::Annotation::APPLIED_HASH);
        let answer = wire.acceptance.as_ref();
        let acceptance = answer.map(|answer| self.answer(answer, wire.last_result.as_ref()));
        let announced = wire.announced.iter().take(MAX_ANNOUNCED);
        let announced = announced.map(|progress| self.progress(progress));
        CachedNodeStatus {
            name: self.texts.intern(metadata.name.unwrap_or_default()),
            uid: fingerprint(&meta.uid),
            resource_version: metadata.resource_version.unwrap_or_default().into(),
            written_at: times.max(),
            is_applied,
            is_being_deleted: meta.deletion_timestamp.is_some(),
            node_label: node_label.map(|value| self.texts.intern(value.as_str())),
            desired: self.desired.intern(desired),
            shared: self.shared.intern(self.shared(&wire.metadata)),
            node_name: self.texts.intern(wire.node_name),
            report: Arc::new(NodeReport {
                failed: has_failed(wire.last_result.as_ref(), &wire.results),
                last_scan: last_scan(wire.last_result.as_ref(), wire.last_full_scan),
                last_result: wire.last_result.map(|result| self.last_result(result)),
                baseline: wire.baseline.map(|baseline| self.baseline(baseline)),
                held_since: wire.hold.map(|hold| hold.since.0.as_second()),
                reinit: wire.reinit.map(|reinit| self.texts.intern(reinit.id)),
                realtime: wire.realtime.map(|realtime| self.realtime(&realtime)),
                acceptance: acceptance.map(Box::new),
                announced: announced.collect(),
            }),
        }
    }

    fn shared(&self, meta: &WireMeta) -> Shared {
        let label = |key: &&'static str| Some((*key, meta.labels.get(*key)?.clone()));
        let owner = |owner: &WireOwner| Owner {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: self.texts.intern(owner.name.as_str()),
            uid: owner.uid.clone(),
            controller: owner.controller,
            block_owner_deletion: owner.block_owner_deletion,
        };
        Shared {
            namespace: meta.namespace.clone(),
            owners: meta.owner_references.iter().map(owner).collect(),
            labels: SHARED_LABELS.iter().filter_map(label).collect(),
            whole_owner: meta.annotations.get(names::Label::OWNER).cloned(),
        }
    }

    fn last_result(&self, result: WireResult) -> LastResult {
        let milliseconds = result.duration_milliseconds;
        let milliseconds = milliseconds.and_then(|ms| u64::try_from(ms).ok());
        let rule = result.unwatched_rules.first();
        let change_set = self.change_set(&result);
        LastResult {
            change_set,
            condition: result.condition,
            counts: counts(&result),
            duration: milliseconds.map(Duration::from_millis),
            files_scanned: result.files_scanned,
            unwatched_rule: rule.map(|rule| self.texts.intern(describe_rule(rule))),
            error_message: result.error_message.map(|text| self.texts.intern(text)),
            error_class: ReportedErrorClass::parse(result.error_class.as_deref()),
        }
    }

    fn change_set(&self, result: &WireResult) -> Option<Arc<ReportedChangeSet>> {
        let hash = result.changes_hash.as_deref();
        let id = ChangeSetId::of_result(hash, result.change_set.as_deref())?;
        let path = result.changes.shown_path();
        (result.condition == Condition::Failed).then(|| {
            self.change_sets.intern(ReportedChangeSet {
                id,
                version: result.changes_hash_version,
                paths: result.paths_hash.as_deref().and_then(names::parse_sha256),
                first_path: path.map(|path| self.texts.intern(path)),
                counts: counts(result),
            })
        })
    }

    fn progress(&self, progress: &WireProgress) -> CachedProgress {
        let digest = |hash: &Option<String>| hash.as_deref().and_then(names::parse_sha256);
        let message = progress.message.as_deref();
        CachedProgress {
            uid: self.texts.intern(progress.uid.as_str()),
            accepted: progress.accepted.max(0),
            remaining: progress.remaining.max(0),
            message: message.map(|text| self.texts.intern(shown(text, MAX_REFUSAL))),
            accepted_at: progress.accepted_at.map(|at| at.0),
            old_digest: digest(&progress.old_digest),
            new_digest: digest(&progress.new_digest),
        }
    }

    fn answer(&self, answer: &WireAnswer, last: Option<&WireResult>) -> CachedAnswer {
        let digest = |hash: &Option<String>| hash.as_deref().and_then(names::parse_sha256);
        let text = |text: &Option<String>, limit| {
            let shown = text.as_deref().map(|text| shown(text, limit));
            shown.map(|shown| self.texts.intern(shown))
        };
        CachedAnswer {
            uid: self.texts.intern(answer.uid.as_str()),
            attempt: u32::try_from(answer.attempt).unwrap_or(0),
            state: answer.state,
            reason: text(&answer.reason, MAX_REFUSAL_REASON),
            message: text(&answer.message, MAX_REFUSAL),
            finished_at: answer.finished_at.0,
            old_digest: digest(&answer.old_digest),
            new_digest: digest(&answer.new_digest),
            is_older_than_result: last
                .is_some_and(|last| last.last_probe_time.0 > answer.finished_at.0),
        }
    }

    fn realtime(&self, realtime: &WireRealtime) -> CachedRealtime {
        let explanation = explain(realtime);
        CachedRealtime {
            state: realtime.state,
            explanation: explanation.map(|text| self.texts.intern(text)),
            overflows: u64::try_from(realtime.overflows).unwrap_or(0),
            missed: u64::try_from(realtime.missed).unwrap_or(0),
        }
    }

    fn baseline(&self, baseline: WireBaseline) -> CachedBaseline {
        CachedBaseline {
            at: baseline.created_at.0.as_second(),
            config_hash: self.texts.intern(baseline.config_hash),
            digest: fingerprint(&baseline.digest),
            requested: baseline.requested,
        }
    }
}

/// Files added, changed and removed.
fn counts(result: &WireResult) -> [i64; 3] {
    [
        result.files_added,
        result.files_changed,
        result.files_removed,
    ]
}

/// A rule that watches nothing, as shown in a condition.
fn describe_rule(rule: &UnwatchedRule) -> String {
    let text = format!("line {}: {} {}", rule.line, rule.link, rule.reason);
    shown(&text, MAX_RULE)
}

/// Why a node does not report all changes at once, as shown in a condition.
fn explain(realtime: &WireRealtime) -> Option<String> {
    let is_limited = matches!(
        realtime.state,
        RealtimeState::Degraded | RealtimeState::Unsupported
    );
    let texts = [&realtime.reason, &realtime.message];
    let texts: Vec<&str> = texts.into_iter().flatten().map(String::as_str).collect();
    (is_limited && !texts.is_empty()).then(|| shown(&texts.join(": "), MAX_EXPLANATION))
}

/// The text without unprintable characters, and shortened. The daemon of a compromised node may have
/// written anything.
fn shown(text: &str, limit: usize) -> String {
    let mut text = display_path(text.as_bytes());
    shorten_middle(&mut text, limit);
    text
}

/// When the last scan of all files ended. Checks of changed files do not count.
fn last_scan(last: Option<&WireResult>, full: Option<WireTime>) -> Option<i64> {
    let at = last.filter(|last| last.trigger != Some(Trigger::Event));
    let at = at.map(|last| last.last_probe_time).or(full);
    at.map(|at| at.0.as_second())
}

/// Whether the newest result that is not an error is Failed. The last result is the newest, whatever
/// the times of the others are.
fn has_failed(last: Option<&WireResult>, results: &[WireResult]) -> Option<bool> {
    let is_finding = |result: &&WireResult| result.condition != Condition::Errored;
    let last = last.filter(is_finding);
    let results = results.iter().filter(is_finding);
    last.or_else(|| results.max_by_key(|result| result.last_probe_time.0))
        .map(|result| result.condition == Condition::Failed)
}
