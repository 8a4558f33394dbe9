//! Writes a report in AIDE's formats, for a state that no single run of AIDE has reported. Pure.
//!
//! The plain format is that of `report_summarize_changes=no`: the letters of changed attributes are not kept.

use super::changes::{Change, ChangeKind, Report};
use super::names;
use super::path::display_path;
use crate::api::Actor;

/// The line that separates sections.
const LINE: &str = "---------------------------------------------------\n";
/// Width of an attribute's name, and of its old value.
const NAME: usize = 10;
const VALUE: usize = 32;

/// What both formats have in their head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// Time of the report, as text.
    pub time: &'a str,
    /// What the report is of, as a sentence.
    pub origin: &'a str,
    pub aide_version: &'a str,
    /// The prefix of all paths.
    pub host_root: &'a str,
}

/// The report for people.
pub(crate) fn plain(report: &Report, head: Head<'_>) -> Vec<u8> {
    let Head {
        time,
        origin,
        aide_version,
        host_root,
    } = head;
    let mut text = format!(
        "Start timestamp: {time} (AIDE {aide_version})\n\
         AIDE found differences between database and filesystem!!\n\n\
         {origin}\n\n\
         Summary:\n  Total number of entries:\t{}\n  Added entries:\t\t{}\n  Removed entries:\t\t{}\n  \
         Changed entries:\t\t{}\n",
        report.total, report.added, report.removed, report.changed
    )
    .into_bytes();
    for (kind, heading, label) in [
        (ChangeKind::Added, "Added entries", "added"),
        (ChangeKind::Removed, "Removed entries", "removed"),
        (ChangeKind::Changed, "Changed entries", "changed"),
    ] {
        let of_kind = of_kind(report, kind);
        section(&mut text, heading, of_kind, |text, change| {
            line(text, label, host_root, change);
        });
    }
    let changed = of_kind(report, ChangeKind::Changed).filter(|it| !it.details.is_empty());
    let heading = "Detailed information about changes";
    section(&mut text, heading, changed, |text, change| {
        line(text, "File", host_root, change);
        for (name, old, new) in &change.details {
            let name = names::heading_of(name);
            text.extend(format!(" {name:NAME$}: {old:VALUE$} | {new}\n").bytes());
        }
        text.push(b'\n');
    });
    let attributed = report.changes.iter().filter(|it| it.actor.is_some());
    let heading = "Processes that made the changes, as far as they are known";
    section(&mut text, heading, attributed, |text, change| {
        line(text, "File", host_root, change);
        if let Some(actor) = &change.actor {
            actor_lines(text, actor);
        }
    });
    text
}

/// A process chooses its command name.
fn actor_lines(text: &mut Vec<u8>, actor: &Actor) {
    let Actor {
        exe,
        comm,
        pid,
        login_uid,
        unit,
        pod_uid,
        container_id,
    } = actor;
    let login_uid = login_uid.map(|uid| uid.to_string());
    let lines = [
        ("Program", Some(exe.clone())),
        (
            "Name",
            comm.as_ref().map(|comm| format!("{comm} (claimed)")),
        ),
        ("Pid", Some(pid.to_string())),
        ("Login uid", login_uid),
        ("Unit", unit.clone()),
        ("Pod", pod_uid.clone()),
        ("Container", container_id.clone()),
    ];
    for (name, value) in lines {
        let value = value.map(|value| format!(" {name:NAME$}: {value}\n"));
        text.extend(value.unwrap_or_default().bytes());
    }
    text.push(b'\n');
}

fn of_kind(report: &Report, kind: ChangeKind) -> impl Iterator<Item = &Change> {
    report.changes.iter().filter(move |it| it.kind == kind)
}

/// A heading and its changes, if there are any.
fn section<'a>(
    text: &mut Vec<u8>,
    heading: &str,
    changes: impl Iterator<Item = &'a Change>,
    write: impl Fn(&mut Vec<u8>, &Change),
) {
    for (index, change) in changes.enumerate() {
        if index == 0 {
            text.extend(format!("\n{LINE}{heading}:\n{LINE}\n").bytes());
        }
        write(text, change);
    }
}

/// A line with a path. Bytes that are not UTF-8 stay as they are, as in AIDE's reports.
fn line(text: &mut Vec<u8>, label: &str, host_root: &str, change: &Change) {
    text.extend(format!("{label}: {host_root}").bytes());
    for chunk in change.path.utf8_chunks() {
        text.extend(display_path(chunk.valid().as_bytes()).bytes());
        text.extend(chunk.invalid());
    }
    text.push(b'\n');
}

/// The report for programs.
pub(crate) fn json(report: &Report, head: Head<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    text.extend(b"{\n  \"start_time\": ");
    string(&mut text, head.time.as_bytes());
    text.extend(b",\n  \"aide_version\": ");
    string(&mut text, head.aide_version.as_bytes());
    text.extend(b",\n  \"outline\": \"AIDE found differences between database and filesystem!!\"");
    text.extend(b",\n  \"comment\": ");
    string(&mut text, head.origin.as_bytes());
    let Report {
        total,
        added,
        removed,
        changed,
        ..
    } = report;
    text.extend(
        format!(
            ",\n  \"number_of_entries\": {{\"total\": {total}, \"added\": {added}, \
             \"removed\": {removed}, \"changed\": {changed}}}"
        )
        .bytes(),
    );
    for (kind, name) in [
        (ChangeKind::Added, "added"),
        (ChangeKind::Removed, "removed"),
        (ChangeKind::Changed, "changed"),
    ] {
        let entries = of_kind(report, kind);
        object(&mut text, name, entries, head.host_root, |text, _| {
            string(text, name.as_bytes());
        });
    }
    let detailed = report.changes.iter().filter(|it| !it.details.is_empty());
    object(&mut text, "details", detailed, head.host_root, values);
    text.extend(b"\n}\n");
    text
}

/// An object from path to what `value` writes.
fn object<'a>(
    text: &mut Vec<u8>,
    name: &str,
    entries: impl Iterator<Item = &'a Change>,
    host_root: &str,
    value: impl Fn(&mut Vec<u8>, &Change),
) {
    text.extend(format!(",\n  \"{name}\": {{").bytes());
    for (index, change) in entries.enumerate() {
        text.extend(if index == 0 { "\n    " } else { ",\n    " }.bytes());
        string(text, &[host_root.as_bytes(), &change.path].concat());
        text.extend(b": ");
        value(text, change);
    }
    text.extend(b"\n  }");
}

fn values(text: &mut Vec<u8>, change: &Change) {
    text.push(b'{');
    for (index, (name, old, new)) in change.details.iter().enumerate() {
        text.extend(if index == 0 { "" } else { ", " }.bytes());
        string(text, names::field_of(name).as_bytes());
        text.extend(b": {");
        if change.kind != ChangeKind::Added {
            text.extend(b"\"old\": ");
            string(text, old.as_bytes());
        }
        if change.kind == ChangeKind::Changed {
            text.extend(b", ");
        }
        if change.kind != ChangeKind::Removed {
            text.extend(b"\"new\": ");
            string(text, new.as_bytes());
        }
        text.push(b'}');
    }
    text.push(b'}');
}

/// A JSON string. Values are already escaped as text. Bytes that are not UTF-8 stay as they are, as in AIDE's reports.
fn string(text: &mut Vec<u8>, bytes: &[u8]) {
    text.push(b'"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            0..0x20 | 0x7f => text.extend(format!("\\u{byte:04x}").bytes()),
            _ => text.push(*byte),
        }
    }
    text.push(b'"');
}

#[cfg(test)]
mod tests;
