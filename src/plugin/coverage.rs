//! `config coverage`: whether paths are watched, by which rule, and on how many nodes. Pure.

pub(crate) mod json;
pub(crate) mod text;

#[cfg(test)]
mod tests;

use super::failure::{DIFFERENCES, PROBLEMS, WELL};
use super::fleet::{Fleet, Integrity, Owner};
use crate::aide::path_check::Answer;

/// Whether one FileIntegrity watches the paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) owner: Owner,
    /// Hash of the active configuration. None if there is none.
    pub(crate) hash: Option<String>,
    /// Number of nodes, and of those whose baseline has the active configuration.
    pub(crate) nodes: usize,
    pub(crate) current: usize,
    pub(crate) paths: Vec<Watched>,
}

/// Whether a path is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    /// As the user has written it.
    pub(crate) path: String,
    pub(crate) answer: Answer,
    /// The line of the rule, without the host root.
    pub(crate) rule: Option<String>,
}

impl Coverage {
    /// The nodes of a FileIntegrity, those with this configuration counted.
    pub(crate) fn of(fleet: &Fleet, integrity: &Integrity, hash: Option<String>) -> Self {
        let nodes = fleet.nodes_of(&integrity.owner);
        let current = fleet.nodes_of(&integrity.owner);
        let current = current.filter(|node| hash.is_some() && node.configuration == hash);
        Self {
            owner: integrity.owner.clone(),
            nodes: nodes.count(),
            current: current.count(),
            hash,
            paths: Vec::new(),
        }
    }

    /// Adds the answer of AIDE about a path.
    pub(crate) fn add(&mut self, path: &str, answer: Answer, effective: &str, host_root: &str) {
        let line = answer.line.and_then(|line| line.checked_sub(1));
        let rule = line.and_then(|line| effective.lines().nth(line));
        self.paths.push(Watched {
            path: path.to_owned(),
            answer,
            rule: rule.map(|rule| rule.trim().replacen(host_root, "", 1)),
        });
    }

    /// Number of nodes that watch the path.
    pub(super) fn nodes_with(&self, watched: &Watched) -> usize {
        if watched.answer.watched {
            self.current
        } else {
            0
        }
    }
}

/// The exit status: whether each path is watched on all nodes of at least one FileIntegrity.
pub(crate) fn exit_status(all: &[Coverage]) -> u8 {
    let answered: Vec<&Coverage> = all.iter().filter(|it| it.hash.is_some()).collect();
    let Some(first) = answered.first() else {
        return PROBLEMS;
    };
    let is_watched = |index: usize| {
        answered.iter().any(|coverage| {
            let watched = coverage.paths.get(index);
            let nodes = watched.map_or(0, |watched| coverage.nodes_with(watched));
            nodes > 0 && nodes == coverage.nodes
        })
    };
    if (0..first.paths.len()).all(is_watched) {
        WELL
    } else {
        DIFFERENCES
    }
}
