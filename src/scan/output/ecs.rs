//! The Elastic Common Schema. Pure.
//!
//! Field names and values are those of ECS 9.4 (elastic/ecs, `generated/csv/fields.csv` and
//! `generated/ecs/ecs_nested.yml`). What has no field there is below `fio`.

use serde_json::{Map, Value, json};

use super::file_values::{FileType, FileValues};
use super::notice::{Notice, NoticeKind};
use super::record::{Content, DisplayedPath, Origin, Record, kind_name, summary};
use crate::aide::report::{Change, ChangeKind};
use crate::api::Actor;

/// The version of the schema.
const VERSION: &str = "9.4.0";
/// The digests that `file.hash` has a field for.
const HASHES: [&str; 4] = ["md5", "sha1", "sha256", "sha512"];

pub(super) fn encode(record: &Record<'_>) -> String {
    let mut line = json!({
        "@timestamp": record.time.0.to_string(),
        "ecs": {"version": VERSION},
        "event": event(record),
        "host": {"name": record.origin.node, "hostname": record.origin.node},
        "orchestrator": orchestrator(record.origin),
        "message": summary(record),
        "fio": {"scan": record.scan},
    });
    match record.content {
        Content::Change(change) => {
            line["file"] = file(change);
            line["fio"]["attributes"] = FileValues::of(change).attributes();
            if let Some(actor) = &change.actor {
                add_actor(actor, &mut line);
            }
        }
        Content::Omitted(number) => line["fio"]["omitted"] = json!(number),
        Content::Notice(notice) => add_error(notice, &mut line),
    }
    super::compact_json(line)
}

fn event(record: &Record<'_>) -> Value {
    let mut event = match record.content {
        Content::Change(change) => json!({
            "kind": "event",
            "category": ["file"],
            "type": [match change.kind {
                ChangeKind::Added => "creation",
                ChangeKind::Removed => "deletion",
                ChangeKind::Changed => "change",
            }],
            "action": format!("file-{}", kind_name(change.kind)),
        }),
        Content::Omitted(_) => json!({
            "kind": "event",
            "category": ["file"],
            "type": ["info"],
            "action": "changes-omitted",
        }),
        Content::Notice(notice) => of_notice(notice),
    };
    event["id"] = json!(record.id);
    event["module"] = json!("fio");
    event["dataset"] = json!("fio.integrity");
    event
}

fn of_notice(notice: &Notice) -> Value {
    let (kind, category, of_type) = match notice.kind {
        kind if kind.is_tampering() => ("alert", "intrusion_detection", "info"),
        NoticeKind::ChangesEnded => ("event", "file", "info"),
        NoticeKind::BaselineCreated | NoticeKind::ChangesAccepted | NoticeKind::Event(_) => {
            ("event", "configuration", "change")
        }
        NoticeKind::ScanErrored
        | NoticeKind::ErrorEnded
        | NoticeKind::HoldStarted
        | NoticeKind::HoldEnded => ("event", "host", "info"),
    };
    let mut event = json!({
        "kind": kind,
        "category": [category],
        "type": [of_type],
        "action": notice.kind.as_str(),
    });
    if notice.kind == NoticeKind::ScanErrored {
        event["outcome"] = json!("failure");
    }
    event
}

fn add_error(notice: &Notice, line: &mut Value) {
    if notice.kind == NoticeKind::ScanErrored {
        line["error"] = json!({"type": notice.error_class, "message": notice.message});
    }
}

fn add_actor(actor: &Actor, line: &mut Value) {
    line["process"] = json!({"executable": actor.exe, "name": actor.comm, "pid": actor.pid});
    line["container"] = json!(actor.container_id.as_ref().map(|id| json!({"id": id})));
    line["fio"]["actor"] = json!({
        "loginUid": actor.login_uid,
        "unit": actor.unit,
        "podUid": actor.pod_uid,
    });
}

fn orchestrator(origin: &Origin) -> Value {
    json!({
        "type": "kubernetes",
        "cluster": origin.cluster.as_ref().map(|name| json!({"name": name})),
        "namespace": origin.namespace,
        "resource": {"type": "fileintegrity", "name": origin.file_integrity},
    })
}

fn file(change: &Change) -> Value {
    let shown = DisplayedPath::of(change);
    let values = FileValues::of(change);
    let hash: Map<String, Value> = HASHES
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), json!(values.digest(name)?))))
        .collect();
    let time = |attribute| values.time(attribute).map(|time| time.to_string());
    json!({
        "path": shown.path,
        "directory": shown.directory,
        "name": shown.name,
        "type": values.file_type().map(type_name),
        "size": values.size(),
        "mode": values.mode(),
        "uid": values.text("owner"),
        "gid": values.text("group"),
        "inode": values.text("inode"),
        "mtime": time("mtime"),
        "ctime": time("ctime"),
        "accessed": time("atime"),
        "target_path": values.text("link"),
        "hash": Some(hash).filter(|hash| !hash.is_empty()),
    })
}

/// The schema names the first three; the others are as `find -type` describes them.
const fn type_name(file_type: FileType) -> &'static str {
    match file_type {
        FileType::Regular => "file",
        FileType::Directory => "dir",
        FileType::Link => "symlink",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
    }
}
