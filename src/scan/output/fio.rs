//! fio's own format. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::{Content, Record, kind_name};
use crate::aide::report::{Change, display_path};
use crate::api::Actor;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    node: &'a str,
    file_integrity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<&'a str>,
    id: &'a str,
    #[serde(flatten)]
    fields: Fields<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Fields<'a> {
    Change {
        path: String,
        change: &'static str,
        attributes: BTreeMap<&'a str, Values<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        actor: Option<&'a Actor>,
    },
    Omitted {
        omitted: u64,
    },
    #[serde(rename_all = "camelCase")]
    Notice {
        notice: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        error_class: Option<&'a str>,
    },
}

/// An attribute in the baseline and on the node, as AIDE writes it.
#[derive(Debug, Default, Serialize)]
struct Values<'a> {
    old: Option<&'a str>,
    new: Option<&'a str>,
}

pub(super) fn encode(record: &Record<'_>) -> String {
    let origin = record.origin;
    super::json_text(&Line {
        time: record.time.0.to_string(),
        cluster: origin.cluster.as_deref(),
        node: &origin.node,
        file_integrity: &origin.file_integrity,
        scan: record.scan,
        id: &record.id,
        fields: match record.content {
            Content::Change(change) => of_change(change),
            Content::Omitted(omitted) => Fields::Omitted { omitted },
            Content::Notice(notice) => Fields::Notice {
                notice: notice.kind.as_str(),
                message: &notice.message,
                error_class: notice.error_class.as_deref(),
            },
        },
    })
}

fn of_change(change: &Change) -> Fields<'_> {
    let named = change.attributes.iter();
    let mut attributes: BTreeMap<&str, Values<'_>> = named
        .map(|name| (name.as_str(), Values::default()))
        .collect();
    for (name, old, new) in &change.details {
        let (old, new) = (given(old), given(new));
        attributes.insert(name, Values { old, new });
    }
    Fields::Change {
        path: display_path(&change.path),
        change: kind_name(change.kind),
        attributes,
        actor: change.actor.as_deref(),
    }
}

/// AIDE's text of a value, if there is one.
fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
