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
    pub(super) about: String,
}

/// The commands to run next, the most important ones first.
pub(super) fn next(status: &Status<'_>) -> Vec<Next> {
    let mut all = Vec::new();
    for integrity in &status.integrities {
        for node in integrity.baselines.tampered.iter().take(1) {
            let about = safe(node);
            push(&mut all, "explain tampered".to_owned(), about);
        }
        of_sets(integrity, &mut all);
        for node in integrity.errored() {
            let error = node.scan.as_ref().and_then(|scan| scan.error.as_ref());
            if let Some((class, _)) = error {
                let about = safe(&node.name);
                push(&mut all, format!("explain {}", class.as_str()), about);
            }
        }
        for problem in &integrity.integrity.problems {
            let about = problem.condition.to_owned();
            push(
                &mut all,
                format!("explain {}", safe(&problem.reason)),
                about,
            );
        }
        if !integrity.baselines.unrequested.is_empty() {
            let about = counted(integrity.baselines.unrequested.len(), "node");
            push(&mut all, "explain UnrequestedReinit".to_owned(), about);
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
    push(
        all,
        format!("changes {}", shown(largest.id)),
        nodes(largest),
    );
    let mut others = integrity.sets[1..].iter();
    // A set with the same paths and other values deserves the first look.
    let odd = others
        .clone()
        .find(|set| set.same_paths_as.is_some())
        .or_else(|| others.next());
    if let Some(odd) = odd {
        let other = odd.same_paths_as.unwrap_or(largest.id);
        let arguments = format!("diff {} {}", shown(other), shown(odd.id));
        push(all, arguments, nodes(odd));
    }
}

fn push(all: &mut Vec<Next>, arguments: String, about: String) {
    if all.iter().all(|next| next.arguments != arguments) {
        all.push(Next { arguments, about });
    }
}

/// The digits of an ID that are shown.
fn shown(id: ChangeSetId) -> String {
    ChangeSetId::shown(&id.to_string())
}
