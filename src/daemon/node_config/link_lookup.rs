//! Looks up the symbolic links in the directories of rules. I/O.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::NodeConfigError;
use crate::aide::config::{self, Followed};
use crate::aide::node_links;
use crate::locks::lock;

/// Rules whose links were followed.
#[derive(Debug)]
pub(super) struct LinkedRules {
    pub(super) followed: Followed,
    /// For each redirected rule a path on the node that shows which rule applies there, and AIDE's letter
    /// for the type of the file.
    pub(super) probes: Vec<(char, String)>,
}

/// Looks up the links in a thread of its own. If the thread waits for a file system that hangs, it is
/// abandoned, and the daemon can exit without it.
pub(super) async fn follow(
    text: String,
    host_root: String,
    timeout: Duration,
) -> Result<LinkedRules, NodeConfigError> {
    let at = Arc::new(Mutex::new(String::new()));
    let (progress, (done, result)) = (Arc::clone(&at), oneshot::channel());
    std::thread::spawn(move || {
        let root = Path::new(&host_root);
        let note = |path: &str| {
            path.clone_into(&mut lock(&progress));
        };
        let mut look_up = |path: &str| {
            note(path);
            node_links::resolve(root, path)
        };
        let followed = config::follow(&text, &host_root, &mut look_up);
        let probes = followed.redirected.iter().map(|rule| {
            note(&rule.real);
            probe(root, &rule.real)
        });
        let probes = probes.collect();
        // After the timeout there is no receiver.
        drop(done.send(LinkedRules { followed, probes }));
    });
    if let Ok(Ok(rules)) = tokio::time::timeout(timeout, result).await {
        return Ok(rules);
    }
    let at = lock(&at).clone();
    Err(NodeConfigError::Hung(at))
}

/// A path that shows which rule applies to a place: a file in a directory if the place ends with a slash,
/// otherwise the place itself, or the nearest existing directory above it.
fn probe(host_root: &Path, place: &str) -> (char, String) {
    if place.ends_with('/') {
        return ('f', format!("{place}fio.probe"));
    }
    let mut place = Path::new(place);
    loop {
        let below = place.strip_prefix("/").unwrap_or(place);
        let found = fs::symlink_metadata(host_root.join(below));
        let kind = found.map(|found| found.file_type());
        match (
            kind,
            place.parent().filter(|parent| *parent != Path::new("/")),
        ) {
            (Err(_), Some(parent)) => place = parent,
            (kind, _) => {
                let is_dir = kind.is_ok_and(|kind| kind.is_dir());
                let letter = if is_dir { 'd' } else { 'f' };
                return (letter, place.to_string_lossy().into_owned());
            }
        }
    }
}
