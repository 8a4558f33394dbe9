//! Whether critical files are watched. Pure.

use serde::Serialize;

use super::findings::Finding;
use crate::plugin::coverage::Coverage;
use crate::plugin::screen::counted;

/// Files that decide who may log in, and what runs. Every FileIntegrity should watch them.
pub(crate) const DEFAULT: [&str; 10] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/sudoers",
    "/etc/ssh/sshd_config",
    "/etc/crontab",
    "/etc/ld.so.conf",
    "/usr/bin/sudo",
    "/usr/bin/kubelet",
    "/usr/sbin/sshd",
];

/// What is known of critical files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Critical {
    /// The answers of AIDE.
    Known(Vec<Coverage>),
    /// They could not be asked for, for this reason.
    Unknown(String),
}

/// A critical file and a FileIntegrity.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CriticalRow {
    namespace: String,
    file_integrity: String,
    path: String,
    watched: bool,
    /// Number of nodes whose baseline has the configuration that watches it, and of all.
    watching_nodes: usize,
    nodes: usize,
    /// Line of the rule in the active configuration.
    line: Option<usize>,
    rule: Option<String>,
}

impl Critical {
    /// A row for each file and each FileIntegrity with an active configuration. None if nothing is known.
    pub(super) fn rows(&self) -> Option<Vec<CriticalRow>> {
        let Self::Known(all) = self else {
            return None;
        };
        let rows = all.iter().flat_map(|coverage| {
            coverage.paths.iter().map(|watched| CriticalRow {
                namespace: coverage.owner.namespace.clone(),
                file_integrity: coverage.owner.name.clone(),
                path: watched.path.clone(),
                watched: watched.answer.watched,
                watching_nodes: coverage.nodes_with(watched),
                nodes: coverage.nodes,
                line: watched.answer.line,
                rule: watched.rule.clone(),
            })
        });
        Some(rows.collect())
    }

    pub(super) fn unknown_because(&self) -> Option<String> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(why) => Some(why.clone()),
        }
    }
}

/// Files that are not watched on all nodes.
pub(super) fn findings(rows: &[CriticalRow]) -> impl Iterator<Item = Finding> {
    rows.iter()
        .filter(|row| row.watching_nodes < row.nodes)
        .map(|row| {
            let nodes = counted(row.nodes, "node");
            let message = if row.watched {
                format!(
                    "{} is watched on {} of {nodes}",
                    row.path, row.watching_nodes
                )
            } else {
                format!("{} is not watched", row.path)
            };
            Finding::of_integrity(
                "critical-file",
                &row.namespace,
                &row.file_integrity,
                message,
            )
        })
}
