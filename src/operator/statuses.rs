//! Node statuses, as the operator keeps them. Pure.
//!
//! A whole one is some 8 kB where its node fails, and thousands of them differ in little. What
//! passes and counts do not look at is passed over while the JSON is read; what all statuses of a
//! FileIntegrity have in common is kept once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::core::ObjectMeta;
use kube::runtime::reflector::Lookup;
use serde::{Deserialize, Deserializer};

use super::kinds::same_kind_as;
use super::pool::{Pool, Texts};
use super::triggers::hash;
use crate::aide::report::display_path;
use crate::api::{
    Condition, DesiredNodeState, FILE_INTEGRITY_KIND, FileIntegrityNodeStatus, ReportedErrorClass,
    UnwatchedRule, names,
};
use crate::text::shorten_middle;

/// Most bytes of what is kept about a rule that watches nothing.
const MAX_RULE: usize = 512;

/// The labels that all statuses of a FileIntegrity have in common, and matter.
const LABELS: [&str; 2] = [names::LABEL_OWNER, names::LABEL_REINIT_OWNER];

/// A node's status.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchedStatus {
    /// Its name.
    pub name: Arc<str>,
    /// A hash of its uid: nobody asks but whether it is another one.
    pub uid: u64,
    /// Its resource version.
    pub version: Arc<str>,
    /// The node's name.
    pub node_name: Arc<str>,
    /// When the API server took in the last change.
    pub written_at: Option<Timestamp>,
    /// What its annotations ask of the daemon.
    pub desired: Arc<DesiredNodeState>,
    /// What the daemon reports.
    pub report: Arc<Report>,
    is_applied: bool,
    is_going: bool,
    node_label: Option<Arc<str>>,
    common: Arc<Common>,
}

/// What all statuses of a FileIntegrity have in common.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Common {
    namespace: Option<String>,
    owners: Vec<Owner>,
    labels: BTreeMap<&'static str, String>,
    /// The annotation with the whole value of the label for the owner.
    whole_owner: Option<String>,
}

/// What of an owner matters.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase", default)]
pub struct Owner {
    /// Its API group and version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub name: Arc<str>,
    /// Its uid.
    pub uid: String,
    /// It controls the object.
    pub controller: Option<bool>,
    /// It is not gone before the object is.
    pub block_owner_deletion: Option<bool>,
}

/// What a node's daemon reports, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The newest result.
    pub last: Option<Last>,
    /// Whether the newest result that is no error found changes.
    pub failed: Option<bool>,
    /// The baseline.
    pub baseline: Option<Made>,
    /// Id of the newest request that was dealt with.
    pub reinit: Option<Arc<str>>,
}

/// The newest result of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// How the scan ended.
    pub condition: Condition,
    /// Files added, changed and removed.
    pub counts: [i64; 3],
    /// When it ended, in seconds since the epoch.
    pub at: i64,
    /// How long it took.
    pub took: Option<Duration>,
    /// How many files it looked at.
    pub files: Option<i64>,
    /// Why it could not be done.
    pub error: Option<Arc<str>>,
    /// The first rule that watches nothing, in words.
    pub unwatched_rule: Option<Arc<str>>,
    /// The class of that error.
    pub class: ReportedErrorClass,
}

/// The baseline of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// When it was made, in seconds since the epoch.
    pub at: i64,
    /// sha256 of the configuration that it was made with, hex.
    pub config_hash: Arc<str>,
    /// A hash of the database's digest: nobody asks but whether it is another one.
    pub digest: u64,
    /// Somebody asked for it.
    pub requested: bool,
}

impl WatchedStatus {
    /// Its owners.
    pub fn owners(&self) -> &[Owner] {
        &self.common.owners
    }

    /// The name of the FileIntegrity that controls it.
    pub fn owner(&self) -> Option<&Arc<str>> {
        let owners = self.common.owners.iter();
        let mut owners = owners.filter(|o| o.controller == Some(true));
        owners
            .find(|o| o.kind == FILE_INTEGRITY_KIND)
            .map(|o| &o.name)
    }

    /// Whether the FileIntegrity of this name and uid controls it. One of the same name that was deleted
    /// may have left a status, and that says nothing about the new one's.
    pub fn is_controlled_by(&self, name: &str, uid: Option<&str>) -> bool {
        self.common.owners.iter().any(|owner| {
            owner.controller == Some(true)
                && owner.kind == FILE_INTEGRITY_KIND
                && *owner.name == *name
                && Some(&*owner.uid) == uid
        })
    }

    /// The value of one of the operator's labels.
    pub fn label(&self, key: &str) -> Option<&str> {
        match key {
            names::LABEL_NODE => self.node_label.as_deref(),
            _ => self.common.labels.get(key).map(String::as_str),
        }
    }

    /// The annotation with the whole value of the label for the owner, which may be shortened.
    pub fn whole_owner(&self) -> Option<&str> {
        self.common.whole_owner.as_deref()
    }

    /// Whether a daemon has reported anything in it.
    pub fn has_report(&self) -> bool {
        *self.report != Report::default()
    }

    /// Whether it has the hash of what was applied.
    pub fn is_applied(&self) -> bool {
        self.is_applied
    }

    /// The condition of the newest result.
    pub fn condition(&self) -> Option<Condition> {
        self.report.last.as_ref().map(|last| last.condition)
    }

    /// Whom it concerns, and a hash of all but what scans that found nothing new change. Without an
    /// owner (somebody has removed it) the label tells whose it was.
    pub fn meaning(&self) -> (Option<Arc<str>>, u64) {
        let report = &self.report;
        let last = report.last.as_ref();
        let matters = (
            (&self.node_name, &self.node_label),
            (&self.common, &self.desired),
            (self.is_applied, self.is_going),
            last.map(|last| (last.condition, last.counts, &last.unwatched_rule)),
            report.baseline.as_ref().map(|b| (&b.config_hash, b.digest)),
            &report.reinit,
        );
        let labelled = || self.label(names::LABEL_OWNER).map(Arc::from);
        (self.owner().cloned().or_else(labelled), hash(&matters))
    }

    /// The object as far as it is kept of what the operator applies, but for the hash of that: it
    /// differs anyway from what is to be applied instead.
    pub fn as_applied(&self) -> FileIntegrityNodeStatus {
        let common = &self.common;
        let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut labels: BTreeMap<_, _> = common.labels.iter().map(|(k, v)| own(k, v)).collect();
        labels.extend(self.node_label.as_ref().map(|v| own(names::LABEL_NODE, v)));
        let mut annotations = self.desired.to_annotations();
        annotations.extend(self.whole_owner().map(|v| own(names::LABEL_OWNER, v)));
        let owner = |owner: &Owner| OwnerReference {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.to_string(),
            uid: owner.uid.clone(),
            controller: owner.controller,
            block_owner_deletion: owner.block_owner_deletion,
        };
        FileIntegrityNodeStatus {
            metadata: ObjectMeta {
                name: Some(self.name.to_string()),
                namespace: common.namespace.clone(),
                labels: Some(labels),
                annotations: Some(annotations),
                owner_references: Some(common.owners.iter().map(owner).collect()),
                ..ObjectMeta::default()
            },
            node_name: self.node_name.to_string(),
            ..FileIntegrityNodeStatus::default()
        }
    }
}

/// Statuses are those of one namespace, and nobody asks a store for what else keys may hold.
impl Lookup for WatchedStatus {
    same_kind_as!(FileIntegrityNodeStatus);

    fn name(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.name))
    }
    fn namespace(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn resource_version(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn uid(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// Makes what is kept of what is read.
#[derive(Debug)]
pub struct Keeper {
    texts: Arc<Texts>,
    desired: Pool<DesiredNodeState>,
    commons: Pool<Common>,
}

impl Keeper {
    /// With texts that others share too.
    pub fn new(texts: Arc<Texts>) -> Self {
        Self {
            texts,
            desired: Pool::default(),
            commons: Pool::default(),
        }
    }

    /// What is kept of a status.
    pub fn keep(&self, read: ReadStatus) -> WatchedStatus {
        let ReadStatus { metadata, wire } = read;
        let meta = wire.metadata;
        let node_label = meta.labels.get(names::LABEL_NODE);
        let desired = DesiredNodeState::from_annotations(&meta.annotations);
        let times = meta.managed_fields.iter().filter_map(|entry| entry.time);
        let common = Common {
            namespace: meta.namespace,
            owners: meta.owner_references,
            labels: picked(&LABELS, &meta.labels),
            whole_owner: meta.annotations.get(names::LABEL_OWNER).cloned(),
        };
        WatchedStatus {
            name: self.texts.shared(metadata.name.unwrap_or_default()),
            uid: hash(&meta.uid),
            version: metadata.resource_version.unwrap_or_default().into(),
            node_name: self.texts.shared(wire.node_name),
            written_at: times
                .chain(meta.creation_timestamp)
                .map(|time| time.0)
                .max(),
            is_applied: meta
                .annotations
                .contains_key(names::ANNOTATION_APPLIED_HASH),
            is_going: meta.deletion_timestamp.is_some(),
            node_label: node_label.map(|value| self.texts.shared(value.as_str())),
            desired: self.desired.shared(desired),
            common: self.commons.shared(common),
            report: Arc::new(Report {
                failed: failed(wire.last_result.as_ref(), &wire.results),
                last: wire.last_result.map(|result| self.last(result)),
                baseline: wire.baseline.map(|baseline| Made {
                    at: baseline.created_at.0.as_second(),
                    config_hash: self.texts.shared(baseline.config_hash),
                    digest: hash(&baseline.digest),
                    requested: baseline.requested,
                }),
                reinit: wire.reinit.map(|reinit| self.texts.shared(reinit.id)),
            }),
        }
    }

    fn last(&self, result: WireResult) -> Last {
        let milliseconds = result.duration_milliseconds;
        let milliseconds = milliseconds.and_then(|ms| u64::try_from(ms).ok());
        Last {
            condition: result.condition,
            counts: [
                result.files_added,
                result.files_changed,
                result.files_removed,
            ],
            at: result.last_probe_time.0.as_second(),
            took: milliseconds.map(Duration::from_millis),
            files: result.files_scanned,
            error: result.error_message.map(|text| self.texts.shared(text)),
            class: ReportedErrorClass::parse(result.error_class.as_deref()),
            unwatched_rule: result
                .unwatched_rules
                .first()
                .map(|rule| self.texts.shared(in_words(rule))),
        }
    }
}

fn picked(keys: &[&'static str], map: &BTreeMap<String, String>) -> BTreeMap<&'static str, String> {
    let found = keys.iter().filter_map(|key| Some((*key, map.get(*key)?)));
    found.map(|(key, value)| (key, value.clone())).collect()
}

/// Whether the newest result that is no error found changes. The last one is the newest, whatever
/// the times of others say.
fn failed(last: Option<&WireResult>, others: &[WireResult]) -> Option<bool> {
    let is_telling = |result: &&WireResult| result.condition != Condition::Errored;
    let last = last.filter(is_telling);
    let others = others.iter().filter(is_telling);
    last.or_else(|| others.max_by_key(|result| result.last_probe_time.0))
        .map(|result| result.condition == Condition::Failed)
}

/// A status as the operator's watch reads it, before what is kept of it is made.
#[derive(Clone, Debug)]
pub struct ReadStatus {
    /// Its name and resource version, nothing else.
    metadata: ObjectMeta,
    wire: Wire,
}

/// What is read of a status' JSON. A value that the definition's schema allows is read whatever it
/// is: one odd object must not keep all others from being read.
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
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    owner_references: Vec<Owner>,
    #[serde(deserialize_with = "or_default")]
    managed_fields: Vec<WireEntry>,
}

#[derive(Clone, Debug, Deserialize)]
struct WireEntry {
    time: Option<WireTime>,
}

/// A rule that watches nothing, for a condition. A node may have written anything there.
fn in_words(rule: &UnwatchedRule) -> String {
    let words = format!("line {}: {} {}", rule.line, rule.link, rule.reason);
    let mut words = display_path(words.as_bytes());
    shorten_middle(&mut words, MAX_RULE);
    words
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireResult {
    condition: Condition,
    last_probe_time: WireTime,
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
struct WireReinit {
    id: String,
}

/// A time. The API takes some that nobody can count with, such as the last second of the year 9999:
/// these count as the oldest of all.
#[derive(Clone, Copy, Debug)]
struct WireTime(Timestamp);

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(text.parse().unwrap_or(Timestamp::UNIX_EPOCH)))
    }
}

fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    String::deserialize(deserializer).map(Into::into)
}

impl<'de> Deserialize<'de> for ReadStatus {
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

impl Resource for ReadStatus {
    type Scope = kube::core::NamespaceResourceScope;

    same_kind_as!(FileIntegrityNodeStatus);

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What the operator keeps of a status that a test has made.
#[cfg(test)]
impl From<&FileIntegrityNodeStatus> for WatchedStatus {
    fn from(status: &FileIntegrityNodeStatus) -> Self {
        kept(serde_json::to_value(status).unwrap())
    }
}

/// What the operator keeps of a status with this JSON.
#[cfg(test)]
pub(super) fn kept(json: serde_json::Value) -> WatchedStatus {
    Keeper::new(Arc::default()).keep(serde_json::from_value(json).unwrap())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(node: &str) -> Value {
        json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrityNodeStatus",
            "metadata": {
                "name": format!("fi-{node}"), "namespace": "ns", "uid": node, "resourceVersion": "7",
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "labels": {names::LABEL_OWNER: "fi", names::LABEL_NODE: node, "team": node},
                "annotations": {
                    names::ANNOTATION_WANTED_CONFIG: "c", names::ANNOTATION_REQUEST: node,
                    names::ANNOTATION_APPLIED_HASH: node,
                },
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "FileIntegrity", "name": "fi", "uid": "u",
                    "controller": true,
                }],
                "managedFields": [{"manager": "m", "time": "2026-01-02T03:04:09Z", "fieldsV1": {}}],
            },
            "nodeName": node,
            "lastResult": {
                "condition": "Failed", "lastProbeTime": "2026-01-02T03:04:08Z", "filesAdded": 1,
                "changes": [{"path": "/etc/a", "kind": "added"}], "durationMilliseconds": 1500,
            },
            "baseline": {
                "createdAt": "2026-01-02T03:04:07Z", "configHash": "c", "digest": "d",
                "entries": 1, "requested": true,
            },
            "reinit": {
                "id": node, "startedAt": "2026-01-02T03:04:06Z", "finishedAt": "2026-01-02T03:04:07Z",
            },
        })
    }

    fn with(pointer: &str, value: Value) -> WatchedStatus {
        let mut json = status("n1");
        *json.pointer_mut(pointer).unwrap() = value;
        kept(json)
    }

    #[test]
    fn what_matters_is_kept() {
        let status = kept(status("n1"));
        assert_eq!((&*status.name, &*status.version), ("fi-n1", "7"));
        assert_eq!(&*status.node_name, "n1");
        assert_eq!(status.owner().map(|owner| &**owner), Some("fi"));
        assert_eq!(status.label(names::LABEL_NODE), Some("n1"));
        assert_eq!(status.label(names::LABEL_OWNER), Some("fi"));
        let desired = DesiredNodeState {
            config_hash: Some("c".to_owned()),
            reinit_request: Some("n1".to_owned()),
            hold: None,
        };
        assert_eq!(*status.desired, desired);
        assert!(status.is_applied());
        let written = status.written_at.unwrap().to_string();
        assert_eq!(written, "2026-01-02T03:04:09Z");
        let report = &status.report;
        let last = report.last.as_ref().unwrap();
        assert_eq!(
            (last.condition, last.counts),
            (Condition::Failed, [1, 0, 0])
        );
        assert_eq!(last.took, Some(Duration::from_millis(1500)));
        assert_eq!(report.failed, Some(true));
        assert_eq!(&*report.baseline.as_ref().unwrap().config_hash, "c");
        assert_eq!(report.reinit.as_deref(), Some("n1"));
    }

    #[test]
    fn a_status_of_a_deleted_file_integrity_is_not_the_new_ones() {
        let status = kept(status("n1"));
        assert!(status.is_controlled_by("fi", Some("u")));
        for (name, uid) in [("fi", Some("new")), ("other", Some("u")), ("fi", None)] {
            assert!(!status.is_controlled_by(name, uid), "{name} {uid:?}");
        }
    }

    #[test]
    fn statuses_share_what_they_have_in_common() {
        let keeper = Keeper::new(Arc::default());
        let keep = |node| keeper.keep(serde_json::from_value(status(node)).unwrap());
        let (one, two, again) = (keep("n1"), keep("n2"), keep("n1"));
        assert!(Arc::ptr_eq(&one.common, &two.common));
        assert!(Arc::ptr_eq(&one.name, &again.name));
        assert_ne!(one.name, two.name);
    }

    #[test]
    fn all_but_times_and_words_means_something() {
        let before = kept(status("n1")).meaning().1;
        let table = [
            ("/metadata/resourceVersion", json!("8"), false),
            ("/metadata/labels/team", json!("x"), false),
            (
                "/lastResult/lastProbeTime",
                json!("2026-02-02T00:00:00Z"),
                false,
            ),
            ("/lastResult/durationMilliseconds", json!(7), false),
            ("/lastResult/condition", json!("Errored"), true),
            ("/lastResult/filesAdded", json!(2), true),
            ("/baseline/digest", json!("e"), true),
            ("/baseline/configHash", json!("e"), true),
            ("/reinit/id", json!("r"), true),
            ("/nodeName", json!("n2"), true),
            ("/metadata/ownerReferences", json!([]), true),
            ("/metadata/annotations", json!({}), true),
            ("/metadata/labels", json!({}), true),
        ];
        for (pointer, value, expected) in table {
            let after = with(pointer, value).meaning().1;
            assert_eq!(after != before, expected, "{pointer}");
        }
    }

    #[test]
    fn without_an_owner_the_label_tells_whom_it_concerns() {
        let concerned = |pointer, value| with(pointer, value).meaning().0;
        let owners = "/metadata/ownerReferences";
        assert_eq!(concerned(owners, json!([])).as_deref(), Some("fi"));
        let labels = "/metadata/labels";
        assert_eq!(concerned(labels, json!({})).as_deref(), Some("fi"));
        let mut neither = status("n1");
        neither["metadata"]["labels"] = json!({});
        neither["metadata"]["ownerReferences"] = json!([]);
        assert_eq!(kept(neither).meaning().0, None);
    }

    /// What a hand may have written must not keep the statuses of others from being read.
    #[test]
    fn an_odd_object_is_read() {
        let never = json!("9999-12-31T23:59:59Z");
        for pointer in [
            "/metadata/creationTimestamp",
            "/metadata/managedFields/0/time",
            "/lastResult/lastProbeTime",
            "/baseline/createdAt",
            "/reinit/startedAt",
        ] {
            let status = with(pointer, never.clone());
            assert_eq!(&*status.node_name, "n1", "{pointer}");
        }
        assert_eq!(
            with("/baseline/createdAt", never)
                .report
                .baseline
                .as_ref()
                .map(|b| b.at),
            Some(0)
        );
        let empty = [
            "/lastResult",
            "/baseline",
            "/reinit",
            "/metadata/labels",
            "/metadata/annotations",
            "/metadata/ownerReferences",
            "/metadata/managedFields",
        ];
        for pointer in empty {
            assert_eq!(&*with(pointer, Value::Null).node_name, "n1", "{pointer}");
        }
        let nothing = kept(json!({"metadata": {"name": "x"}, "unknown": 1}));
        assert_eq!((&*nothing.name, &*nothing.node_name), ("x", ""));
        assert_eq!(*nothing.report, Report::default());
    }

    #[test]
    fn the_last_result_is_the_newest_unless_it_is_an_error() {
        let result = |condition, at| json!({"condition": condition, "lastProbeTime": at});
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z");
        let table = [
            (
                result("Succeeded", early),
                json!([result("Failed", late)]),
                Some(false),
            ),
            (
                result("Errored", late),
                json!([result("Succeeded", early), result("Failed", late)]),
                Some(true),
            ),
            (result("Errored", late), json!([]), None),
            (
                Value::Null,
                json!([result("Succeeded", early)]),
                Some(false),
            ),
        ];
        for (last, results, expected) in table {
            let json = json!({"lastResult": last, "results": results});
            assert_eq!(kept(json.clone()).report.failed, expected, "{json}");
        }
    }
}
