//! The Open Cybersecurity Schema Framework. Pure.
//!
//! Classes, attributes and values are those of OCSF 1.8.0 (ocsf/ocsf-schema): File System Activity for
//! changes, Scan Activity for scans, errors and holds, and Detection Finding for what happened to a
//! baseline. What has no attribute there is in `unmapped`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::file_values::{FileType, FileValues, is_of_content};
use super::notice::{Notice, NoticeKind};
use super::record::{Content, DisplayedPath, Origin, Record, summary};
use crate::aide::report::{Change, ChangeKind};
use crate::api::Actor;

/// The version of the schema.
const VERSION: &str = "1.8.0";
/// The value of `device.type_id` for a server.
const SERVER: u8 = 1;
/// `scan.type_id`: a scan on a schedule.
const SCHEDULED: u8 = 2;
/// `activity_id` of File System Activity; CREATE is that of Detection Finding, too.
const CREATE: u32 = 1;
const UPDATE: u32 = 3;
const DELETE: u32 = 4;
const SET_ATTRIBUTES: u32 = 6;
/// `activity_id` of Scan Activity.
const COMPLETED: u32 = 2;
const ERROR: u32 = 6;
const PAUSED: u32 = 7;
const RESUMED: u32 = 8;
/// The digests that `fingerprint.algorithm_id` has a value for. The others have [`OTHER_ALGORITHM`].
const ALGORITHMS: [(&str, u8, &str); 7] = [
    ("md5", 1, "MD5"),
    ("sha1", 2, "SHA-1"),
    ("sha256", 3, "SHA-256"),
    ("sha512", 4, "SHA-512"),
    ("sha512-256", 11, "SHA-512/256"),
    ("sha3-256", 13, "SHA3-256"),
    ("sha3-512", 15, "SHA3-512"),
];
const OTHER_ALGORITHM: u8 = 99;

/// A class of events.
#[derive(Clone, Copy, Debug)]
enum Class {
    FileSystemActivity = 1001,
    DetectionFinding = 2004,
    ScanActivity = 6007,
}

/// The values of `severity_id` that fio uses.
#[derive(Clone, Copy, Debug)]
enum Severity {
    Informational = 1,
    Medium = 3,
    High = 4,
}

/// What happened, as the schema classifies it.
#[derive(Clone, Copy, Debug)]
struct Classification {
    class: Class,
    activity: u32,
    severity: Severity,
}

pub(super) fn encode(record: &Record<'_>) -> String {
    let Classification {
        class,
        activity,
        severity,
    } = classify(record.content);
    let class_uid = class as u32;
    let mut line = json!({
        "class_uid": class_uid,
        "category_uid": class_uid / 1000,
        "activity_id": activity,
        "type_uid": class_uid * 100 + activity,
        "severity_id": severity as u32,
        "time": record.time.0.as_millisecond(),
        "message": summary(record),
        "metadata": metadata(record),
        "device": {"name": record.origin.node, "hostname": record.origin.node, "type_id": SERVER},
        "unmapped": unmapped(record),
    });
    match record.content {
        Content::Change(change) => {
            line["file"] = file(change);
            line["actor"] = actor(change.actor.as_deref());
        }
        Content::Omitted(number) => {
            line["scan"] = scan(record);
            line["num_detections"] = json!(number);
        }
        Content::Notice(notice) => match class {
            Class::DetectionFinding => line["finding_info"] = finding(record, notice),
            Class::ScanActivity | Class::FileSystemActivity => {
                line["scan"] = scan(record);
                line["status_code"] = json!(notice.error_class);
            }
        },
    }
    super::compact_json(line)
}

/// The schema requires one, and AIDE does not know it.
fn actor(actor: Option<&Actor>) -> Value {
    let Some(actor) = actor else {
        return json!({"user": {"name": "unknown", "type_id": 0}});
    };
    json!({
        "process": {"pid": actor.pid, "name": actor.comm, "path": actor.exe},
        "user": actor.login_uid.map(|uid| json!({"uid": uid.to_string()})),
    })
}

fn classify(content: Content<'_>) -> Classification {
    let of = |class, activity, severity| Classification {
        class,
        activity,
        severity,
    };
    match content {
        Content::Change(change) => {
            let activity = match change.kind {
                ChangeKind::Added => CREATE,
                ChangeKind::Changed if has_content_change(change) => UPDATE,
                ChangeKind::Changed => SET_ATTRIBUTES,
                ChangeKind::Removed => DELETE,
            };
            of(Class::FileSystemActivity, activity, Severity::Medium)
        }
        Content::Omitted(_) => of(Class::ScanActivity, COMPLETED, Severity::Medium),
        Content::Notice(notice) => match notice.kind {
            kind if kind.is_tampering() => of(Class::DetectionFinding, CREATE, Severity::High),
            NoticeKind::BaselineCreated | NoticeKind::ChangesAccepted | NoticeKind::Event(_) => {
                of(Class::DetectionFinding, CREATE, Severity::Informational)
            }
            NoticeKind::ChangesEnded | NoticeKind::ErrorEnded => {
                of(Class::ScanActivity, COMPLETED, Severity::Informational)
            }
            NoticeKind::ScanErrored => of(Class::ScanActivity, ERROR, Severity::Medium),
            NoticeKind::HoldStarted => of(Class::ScanActivity, PAUSED, Severity::Informational),
            NoticeKind::HoldEnded => of(Class::ScanActivity, RESUMED, Severity::Informational),
        },
    }
}

/// Whether more than permissions, owner and the like differ. True if it is not known what differs.
fn has_content_change(change: &Change) -> bool {
    change.attributes.is_empty() || change.attributes.iter().any(|name| is_of_content(name))
}

fn metadata(record: &Record<'_>) -> Value {
    let event_code = match record.content {
        Content::Notice(notice) => Some(notice.kind.as_str()),
        Content::Change(_) | Content::Omitted(_) => None,
    };
    json!({
        "version": VERSION,
        "uid": record.id,
        "profiles": ["host"],
        "product": {
            "name": "fio",
            "vendor_name": "fio",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "labels": labels(record.origin),
        "correlation_uid": record.scan,
        "event_code": event_code,
    })
}

fn labels(origin: &Origin) -> Vec<String> {
    let cluster = origin.cluster.iter().map(|name| format!("cluster:{name}"));
    cluster
        .chain([
            format!("namespace:{}", origin.namespace),
            format!("fileintegrity:{}", origin.file_integrity),
        ])
        .collect()
}

fn unmapped(record: &Record<'_>) -> Value {
    let origin = record.origin;
    let change = match record.content {
        Content::Change(change) => Some(change),
        Content::Omitted(_) | Content::Notice(_) => None,
    };
    let attributes = change.map(|change| FileValues::of(change).attributes());
    let actor = change.and_then(|change| change.actor.as_ref());
    let actor = actor.map(|actor| {
        json!({
            "unit": actor.unit,
            "pod_uid": actor.pod_uid,
            "container_id": actor.container_id,
        })
    });
    json!({
        "cluster": origin.cluster,
        "namespace": origin.namespace,
        "file_integrity": origin.file_integrity,
        "attributes": attributes,
        "actor": actor,
    })
}

fn scan(record: &Record<'_>) -> Value {
    let name = format!("{}-{}", record.origin.file_integrity, record.origin.node);
    json!({"name": name, "type_id": SCHEDULED, "uid": record.scan})
}

fn finding(record: &Record<'_>, notice: &Notice) -> Value {
    json!({"uid": record.id, "title": notice.kind.as_str(), "desc": notice.message})
}

fn file(change: &Change) -> Value {
    let shown = DisplayedPath::of(change);
    let values = FileValues::of(change);
    let time = |attribute| values.time(attribute).map(Timestamp::as_millisecond);
    json!({
        "name": shown.name,
        "path": shown.path,
        "parent_folder": shown.directory,
        "type_id": values.file_type().map_or(0, type_id),
        "hashes": hashes(values),
        "size": values.size(),
        "modified_time": time("mtime"),
        "accessed_time": time("atime"),
        "uid": values.text("inode"),
        "owner": values.text("owner").map(|uid| json!({"uid": uid})),
        "is_deleted": (change.kind == ChangeKind::Removed).then_some(true),
    })
}

const fn type_id(file_type: FileType) -> u8 {
    match file_type {
        FileType::Regular => 1,
        FileType::Directory => 2,
        FileType::CharacterDevice => 3,
        FileType::BlockDevice => 4,
        FileType::Socket => 5,
        FileType::Fifo => 6,
        FileType::Link => 7,
    }
}

fn hashes(values: FileValues<'_>) -> Vec<Value> {
    values
        .digests()
        .map(|(attribute, value)| {
            let known = ALGORITHMS.iter().find(|(name, ..)| *name == attribute);
            let (id, algorithm) = known.map_or((OTHER_ALGORITHM, attribute), |(_, id, caption)| {
                (*id, caption)
            });
            json!({"algorithm_id": id, "algorithm": algorithm, "value": value})
        })
        .collect()
}
