//! Which commands help with what a status about. Pure.

use super::{IntegrityStatus, Status};
use crate::api::ChangeSetId;
use crate::plugin::fleet::Set;
use crate::plugin::safe::safe;
use crate::plugin::screen::counted;

/// Maximum number of commands.
const MAX_COMMANDS: usize = 6;

/// Arguments of a command, and what it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) arguments: String,
    /// The namespace, if the command reads objects.
    pub(super) namespace: Option<String>,
    pub(super) about: String,
}

/// The commands to run next, the most important ones first.
pub(super) fn next(status: &Status<'_>) -> Vec<Next> {
    let mut all = Vec::new();
    for integrity in &status.integrities {
        for node in integrity.baselines.tampered.iter().take(1) {
            let about = safe(node);
            explain(&mut all, "tampered", about);
        }
        of_sets(integrity, &mut all);
        for node in integrity.errored() {
            let error = node.scan.as_ref().and_then(|scan| scan.error.as_ref());
            if let Some((class, _)) = error {
                let about = safe(&node.name);
                explain(&mut all, class.as_str(), about);
            }
        }
        for problem in &integrity.integrity.problems {
            let about = problem.condition.to_owned();
            explain(&mut all, &safe(&problem.reason), about);
        }
        if !integrity.baselines.unrequested.is_empty() {
            let about = counted(integrity.baselines.unrequested.len(), "node");
            explain(&mut all, "UnrequestedReinit", about);
        }
    }
    all.truncate(MAX_COMMANDS);
    all
}

fn of_sets(integrity: &IntegrityStatus<'_>, all: &mut Vec<Next>) {
    let Some(largest) = integrity.sets.first() else {
        return;
    };
    let nodes = |set: &Set| match set.nodes.len() {
        1 => safe(&set.nodes[0]),
        nodes => counted(nodes, "node"),
    };
    let mut push = |arguments, about| {
        all.push(Next {
            arguments,
            namespace: Some(integrity.integrity.owner.namespace.clone()),
            about,
        });
    };
    push(format!("changes {}", shown(largest.id)), nodes(largest));
    let mut others = integrity.sets[1..].iter();
    // A set with the same paths and other values deserves the first look.
    let odd = others
        .clone()
        .find(|set| set.same_paths_as.is_some())
        .or_else(|| others.next());
    if let Some(odd) = odd {
        let other = odd.same_paths_as.unwrap_or(largest.id);
        let arguments = format!("diff {} {}", shown(other), shown(odd.id));
        push(arguments, nodes(odd));
    }
}

fn explain(all: &mut Vec<Next>, name: &str, about: String) {
    let next = Next {
        arguments: format!("explain {name}"),
        namespace: None,
        about,
    };
    if all.iter().all(|known| known.arguments != next.arguments) {
        all.push(next);
    }
}

/// The digits of an ID that are shown.
fn shown(id: ChangeSetId) -> String {
    ChangeSetId::shown(&id.to_string())
}
