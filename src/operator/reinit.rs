//! The life of a re-initialisation request, as far as the operator has to do with it. Pure.
//!
//! A user's annotation is first turned into a *record* on the same object, in one write that also
//! removes the annotation: from then on the request has an id. The record is then handed to the
//! nodes, as an annotation of each status object, and dropped once all of them have it. Whoever is
//! killed in between, the next pass goes on where this one stopped.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::build::Signal;
use super::statuses::WatchedStatus;
use crate::api::object_name::{NamespaceName, visible};
use crate::api::{Condition, FileIntegrity, names};

/// Maximum number of unknown nodes in an event.
const MAX_SHOWN: usize = 10;

/// A request that is being handed to the nodes.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// The nodes; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<String>>,
}

impl Record {
    /// The record on this FileIntegrity, if there is one that can be read.
    ///
    /// Whoever may annotate may write one by hand, so its id is checked.
    pub fn of(fi: &FileIntegrity) -> Option<Self> {
        let text = annotation(fi, names::ANNOTATION_REINIT_RECORD)?;
        let record: Self = serde_json::from_str(text).ok()?;
        is_request_id(&record.id).then_some(record)
    }

    /// Whether it is meant for this node.
    pub fn names_node(&self, node: &str) -> bool {
        self.nodes
            .as_ref()
            .is_none_or(|nodes| nodes.iter().any(|n| n == node))
    }
}

/// Whether a text can be the id of a request. It becomes an argument of a container, and the content of
/// a file on nodes.
pub fn is_request_id(text: &str) -> bool {
    NamespaceName::parse(text).is_ok()
}

/// What a user asks for by annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The nodes; none: all.
    pub nodes: Option<Vec<String>>,
    /// Named nodes that are not selected.
    pub unknown: Vec<String>,
    /// Those that failed are meant, and none has.
    pub finds_none_failed: bool,
    /// The annotations that said it.
    pub annotations: Vec<&'static str>,
}

impl Asked {
    /// What is wrong with the nodes that are named, if anything is.
    pub fn unknown_nodes(&self) -> Option<String> {
        if !self.unknown.is_empty() {
            let shown = self.unknown.iter().take(MAX_SHOWN);
            let shown: Vec<String> = shown.map(|node| visible(node)).collect();
            let more = match self.unknown.len().saturating_sub(MAX_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            return Some(format!(
                "re-init names nodes that are not selected: {}{more}",
                shown.join(", ")
            ));
        }
        let names_nobody = self.annotations == [names::ANNOTATION_REINIT]
            && self.nodes.as_ref().is_some_and(Vec::is_empty);
        names_nobody.then(|| {
            "re-init names no node: give an empty value for all nodes, or names separated by commas"
                .to_owned()
        })
    }
}

/// What the annotations of this FileIntegrity ask for; `failed` are the nodes whose last scan failed.
pub fn asked(fi: &FileIntegrity, selected: &BTreeSet<String>, failed: &[String]) -> Option<Asked> {
    let mut asked = Asked {
        nodes: Some(Vec::new()),
        unknown: Vec::new(),
        finds_none_failed: false,
        annotations: Vec::new(),
    };
    if let Some(list) = annotation(fi, names::ANNOTATION_REINIT) {
        asked.annotations.push(names::ANNOTATION_REINIT);
        if list.trim().is_empty() {
            asked.nodes = None;
        } else {
            let named = node_list(list);
            let (known, unknown) = named.into_iter().partition(|node| selected.contains(node));
            asked.nodes = Some(known);
            asked.unknown = unknown;
        }
    }
    if annotation(fi, names::ANNOTATION_REINIT_ON_FAILED).is_some() {
        asked.annotations.push(names::ANNOTATION_REINIT_ON_FAILED);
        asked.finds_none_failed = failed.is_empty();
        if let Some(nodes) = &mut asked.nodes {
            nodes.extend(failed.iter().cloned());
            nodes.sort();
            nodes.dedup();
        }
    }
    (!asked.annotations.is_empty()).then_some(asked)
}

/// Whether the annotations ask for anything that is not recorded yet.
pub fn is_asked(fi: &FileIntegrity) -> bool {
    [names::ANNOTATION_REINIT, names::ANNOTATION_REINIT_ON_FAILED]
        .iter()
        .any(|key| annotation(fi, key).is_some())
}

/// Whether the nodes whose last scan failed are asked for, and that is not recorded yet.
pub fn asks_for_failed(fi: &FileIntegrity) -> bool {
    annotation(fi, names::ANNOTATION_REINIT_ON_FAILED).is_some() && Record::of(fi).is_none()
}

/// The nodes of this FileIntegrity whose last scan failed.
pub fn failed_nodes(file_integrity: &str, statuses: &[WatchedStatus]) -> Vec<String> {
    let failed = statuses.iter().filter(|status| {
        let owner = status.owner().map(|owner| &**owner);
        status.condition() == Some(Condition::Failed) && owner == Some(file_integrity)
    });
    failed.map(|status| status.node_name.to_string()).collect()
}

/// The metadata patch that turns what was asked into a record. It carries the object's resource
/// version: where somebody changed the annotations meanwhile, the next pass sees theirs.
pub fn record_patch(fi: &FileIntegrity, asked: &Asked) -> Value {
    let resource_version = fi.metadata.resource_version.clone().unwrap_or_default();
    let mut annotations = json!({});
    for key in &asked.annotations {
        annotations[key] = Value::Null;
    }
    let asks_nobody = asked.nodes.as_ref().is_some_and(Vec::is_empty);
    if !asks_nobody {
        let uid = fi.metadata.uid.as_deref().unwrap_or_default();
        let id = names::short_hash(format!("{uid}/{resource_version}"));
        let record = json!(Record {
            id,
            nodes: asked.nodes.clone()
        });
        annotations[names::ANNOTATION_REINIT_RECORD] = json!(record.to_string());
    }
    json!({"metadata": {"resourceVersion": resource_version, "annotations": annotations}})
}

/// The patch that drops the record.
pub fn drop_record_patch() -> Value {
    json!({"metadata": {"annotations": {names::ANNOTATION_REINIT_RECORD: null}}})
}

/// A node's names in an annotation: separated by commas, blanks do not count.
pub fn node_list(text: &str) -> Vec<String> {
    let mut nodes: Vec<String> = text
        .split(',')
        .map(str::trim)
        .filter(|n| !n.is_empty())
        .map(str::to_owned)
        .collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

/// Whether this node's scans are held by the annotation of this FileIntegrity.
pub fn is_held(fi: &FileIntegrity, node: &str) -> bool {
    annotation(fi, names::ANNOTATION_HOLDOFF)
        .is_some_and(|list| list.trim().is_empty() || node_list(list).iter().any(|n| n == node))
}

/// Whether this FileIntegrity's list of nodes to hold has no node in it, and is not empty either.
pub fn holds_no_node(fi: &FileIntegrity) -> bool {
    annotation(fi, names::ANNOTATION_HOLDOFF)
        .is_some_and(|list| !list.trim().is_empty() && node_list(list).is_empty())
}

/// Whether the node still has to do what was asked of it: the request in its annotations is not
/// the one it finished.
pub fn is_open(status: &WatchedStatus, request: Option<&str>) -> bool {
    request.is_some_and(|id| status.report.reinit.as_deref() != Some(id))
}

/// The id of a request that this node's state brings about, such as the end of an update. It follows
/// from the request before: who decides once more before the watch shows what was written comes to the
/// same one, whatever the daemon has written meanwhile, and the next time it is another one.
pub fn next_request(status: &WatchedStatus) -> String {
    let after =
        |before: &str| names::short_hash(format!("{}/{}/{before}", status.name, status.uid));
    let before = status.desired.reinit_request.as_deref();
    let next = after(before.unwrap_or_default());
    if is_open(status, Some(&next)) {
        next
    } else {
        // The one before was put back, or taken away, by another hand.
        after(&next)
    }
}

/// A node, as far as signals go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub node: Arc<str>,
    /// The text of the signal that announces what it was asked for last.
    pub id: Option<String>,
    /// It can do that, and has not done it yet.
    pub is_waiting: bool,
}

/// The signal that is to be dropped, if any node waits. It goes to all nodes that were asked for
/// the same, done or not, so that it stays as it is until the last of them is done: one DaemonSet
/// for all nodes, one for some, or one for a single node. Where nodes wait for different things (a
/// request met while another one is under way), one kind gets the signal; all of them get their
/// wish through their status objects anyway.
pub fn signal(candidates: &[Candidate]) -> Option<Signal> {
    let id = candidates.iter().find(|c| c.is_waiting)?.id.clone()?;
    let asked: Vec<&Candidate> = candidates
        .iter()
        .filter(|c| c.id.as_ref() == Some(&id))
        .collect();
    let mut nodes = if asked.len() == candidates.len() {
        Vec::new()
    } else {
        asked.iter().map(|c| c.node.to_string()).collect()
    };
    // They come in a cache's order; another order would be another DaemonSet.
    nodes.sort();
    Some(Signal { nodes, id })
}

fn annotation<'a>(fi: &'a FileIntegrity, key: &str) -> Option<&'a str> {
    fi.metadata
        .annotations
        .as_ref()?
        .get(key)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::statuses::kept;

    fn fi(annotations: &[(&str, &str)]) -> FileIntegrity {
        let mut fi = FileIntegrity::default();
        fi.metadata.uid = Some("u".to_owned());
        fi.metadata.resource_version = Some("7".to_owned());
        fi.metadata.annotations = Some(
            annotations
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        );
        fi
    }

    fn selected() -> BTreeSet<String> {
        ["n1", "n2", "n3"].map(str::to_owned).into()
    }

    #[test]
    fn annotations_are_read() {
        let failed = ["n3".to_owned()];
        let all = names::ANNOTATION_REINIT;
        let on_failed = names::ANNOTATION_REINIT_ON_FAILED;
        let check = |annotations: &[(&str, &str)], nodes: Option<&[&str]>, unknown: &[&str]| {
            let asked = asked(&fi(annotations), &selected(), &failed).unwrap();
            let own = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
            assert_eq!(asked.nodes, nodes.map(own), "{annotations:?}");
            assert_eq!(asked.unknown, own(unknown), "{annotations:?}");
        };
        check(&[(all, "")], None, &[]);
        check(&[(all, " ")], None, &[]);
        check(&[(all, ",")], Some(&[]), &[]);
        check(&[(all, " , ,"), (on_failed, "")], Some(&["n3"]), &[]);
        check(&[(all, "n2, n1,,n2")], Some(&["n1", "n2"]), &[]);
        check(&[(all, "n1,gone")], Some(&["n1"]), &["gone"]);
        check(&[(on_failed, "")], Some(&["n3"]), &[]);
        check(&[(all, "n1"), (on_failed, "")], Some(&["n1", "n3"]), &[]);
        assert_eq!(asked(&fi(&[]), &selected(), &failed), None);
    }

    #[test]
    fn what_has_no_effect_is_named() {
        let asked = |key: &str, value: &str, failed: &[String]| {
            asked(&fi(&[(key, value)]), &selected(), failed).unwrap()
        };
        let (all, on_failed) = (names::ANNOTATION_REINIT, names::ANNOTATION_REINIT_ON_FAILED);
        assert!(asked(on_failed, "", &[]).finds_none_failed);
        assert!(!asked(on_failed, "", &["n1".to_owned()]).finds_none_failed);
        assert!(!asked(all, "", &[]).finds_none_failed);
        let many = format!("n1,{}{}", "x/?#\n%2f..".repeat(100), ",y".repeat(1000));
        assert_eq!(asked(all, &many, &[]).unknown.len(), 2);
        let many: Vec<String> = (0..1000).map(|n| format!("\u{1b}{n}")).collect();
        let message = asked(all, &many.join(","), &[]).unknown_nodes().unwrap();
        assert!(message.ends_with("and 990 more"), "{message}");
        assert!(
            message.len() < 1024 && !message.contains('\u{1b}'),
            "{message}"
        );
    }

    #[test]
    fn a_record_that_somebody_wrote_by_hand_is_checked() {
        let id = |text: &str| {
            let fi = fi(&[(names::ANNOTATION_REINIT_RECORD, text)]);
            Record::of(&fi).map(|record| record.id)
        };
        assert_eq!(id(r#"{"id":"abc"}"#).as_deref(), Some("abc"));
        for text in [
            "",
            "{}",
            r#"{"id":""}"#,
            r#"{"id":"a/b"}"#,
            r#"{"id":"config:x"}"#,
            r#"{"id":"a\nb"}"#,
        ] {
            assert_eq!(id(text), None, "{text}");
        }
        assert!(is_request_id(&names::short_hash("anything")));
    }

    #[test]
    fn failed_nodes_are_those_of_the_file_integrity() {
        let status = |node: &str, owner: &str, condition: &str| {
            kept(json!({
                "metadata": {"name": node, "ownerReferences": [{
                    "apiVersion": "a", "kind": "FileIntegrity", "name": owner, "uid": "u",
                    "controller": true,
                }]},
                "nodeName": node,
                "lastResult": {"condition": condition, "lastProbeTime": "2026-01-02T03:04:05Z"},
            }))
        };
        let statuses = [
            status("n1", "fi", "Failed"),
            status("n2", "fi", "Succeeded"),
            status("n3", "other", "Failed"),
            status("n4", "fi", "Errored"),
        ];
        assert_eq!(failed_nodes("fi", &statuses), ["n1"]);
    }

    #[test]
    fn one_write_turns_the_annotation_into_a_record() {
        let fi = fi(&[(names::ANNOTATION_REINIT, "n1")]);
        let patch = record_patch(&fi, &asked(&fi, &selected(), &[]).unwrap());
        let annotations = &patch["metadata"]["annotations"];
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(annotations[names::ANNOTATION_REINIT], Value::Null);
        let text = annotations[names::ANNOTATION_REINIT_RECORD]
            .as_str()
            .unwrap()
            .to_owned();
        let record = Record::of(&self::fi(&[(names::ANNOTATION_REINIT_RECORD, &text)])).unwrap();
        assert!(record.names_node("n1") && !record.names_node("n2"));
    }

    #[test]
    fn asking_for_nobody_leaves_no_record() {
        let fi = fi(&[(names::ANNOTATION_REINIT_ON_FAILED, "")]);
        let patch = record_patch(&fi, &asked(&fi, &selected(), &[]).unwrap());
        assert_eq!(
            patch["metadata"]["annotations"].get(names::ANNOTATION_REINIT_RECORD),
            None
        );
    }

    #[test]
    fn a_list_without_names_is_reported() {
        let message = |annotations: &[(&str, &str)]| {
            let asked = asked(&fi(annotations), &selected(), &[]).unwrap();
            asked.unknown_nodes().unwrap_or_default()
        };
        let reinit = names::ANNOTATION_REINIT;
        assert!(message(&[(reinit, ",")]).starts_with("re-init names no node"));
        assert!(message(&[(reinit, ",n9")]).ends_with("not selected: n9"));
        assert_eq!(message(&[(reinit, "")]), "");
        assert_eq!(message(&[(names::ANNOTATION_REINIT_ON_FAILED, "")]), "");
    }

    #[test]
    fn holdoff_names_all_or_some() {
        let held = |value: &str| is_held(&fi(&[(names::ANNOTATION_HOLDOFF, value)]), "n1");
        assert!(held("") && held(" ") && held("n2, n1") && !held("n2"));
        assert!(!held(",") && !held(" , ,"));
        assert!(holds_no_node(&fi(&[(names::ANNOTATION_HOLDOFF, ",")])));
        assert!(!holds_no_node(&fi(&[(names::ANNOTATION_HOLDOFF, "")])));
        assert!(!is_held(&fi(&[]), "n1"));
    }

    /// The next request of a node whose status has this uid, resource version and request before,
    /// and whose daemon has done that.
    fn next(uid: &str, version: &str, before: Option<&str>, done: Option<&str>) -> String {
        let annotations: Value =
            before.map_or_else(|| json!({}), |id| json!({names::ANNOTATION_REQUEST: id}));
        next_request(&kept(json!({
            "metadata": {
                "name": "fi-n1", "uid": uid, "resourceVersion": version, "annotations": annotations,
            },
            "nodeName": "n1",
            "reinit": done.map(|id| json!({"id": id})),
        })))
    }

    #[test]
    fn what_a_daemon_writes_meanwhile_makes_no_other_request() {
        let first = next("u", "7", None, None);
        assert_eq!(next("u", "8", None, None), first);
        let second = next("u", "9", Some(&first), None);
        // The daemon has done the one before while its node was held.
        assert_eq!(next("u", "10", Some(&first), Some(&first)), second);
    }

    #[test]
    fn each_occasion_makes_a_request_of_its_own() {
        let mut all = BTreeSet::new();
        let mut before = None;
        for _ in 0..3 {
            let id = next("u", "7", before.as_deref(), before.as_deref());
            assert!(all.insert(id.clone()));
            before = Some(id);
        }
        // A status that was made anew, where the baseline on the node answers the first one still.
        assert!(all.insert(next("other", "7", None, None)));
        // Somebody has taken the request away, and the daemon has done it.
        let first = next("u", "7", None, None);
        let after = next("u", "7", None, Some(&first));
        assert_ne!(after, first);
        assert_eq!(next("u", "8", None, Some(&first)), after);
    }

    #[test]
    fn signals_go_to_all_to_some_or_to_one() {
        let nodes = |of: &[(&str, Option<&str>, bool)]| {
            let candidate = |(node, id, is_waiting): &(&str, Option<&str>, bool)| Candidate {
                node: (*node).into(),
                id: id.map(str::to_owned),
                is_waiting: *is_waiting,
            };
            of.iter().map(candidate).collect::<Vec<_>>()
        };
        let r = Some("r");
        assert_eq!(
            signal(&nodes(&[("n1", r, false), ("n2", None, false)])),
            None
        );
        let all = signal(&nodes(&[("n1", r, true), ("n2", r, true)])).unwrap();
        assert_eq!((all.nodes.len(), all.id.as_str()), (0, "r"));
        let half_done = signal(&nodes(&[("n1", r, false), ("n2", r, true)])).unwrap();
        assert_eq!(half_done, all, "it stays as it is while one is left");
        let some = signal(&nodes(&[
            ("n2", r, true),
            ("n1", r, true),
            ("n3", None, false),
        ]))
        .unwrap();
        assert_eq!(some.nodes, ["n1", "n2"]);
        let mixed = signal(&nodes(&[("n1", r, true), ("n2", Some("s"), true)])).unwrap();
        assert_eq!(mixed.nodes, ["n1"]);
    }
}
