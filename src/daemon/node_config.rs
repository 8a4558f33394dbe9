//! The configuration as AIDE gets it on this node: with rules for the places that symbolic links lead
//! to. I/O.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::aide::command::{Aide, Around, RunError};
use crate::aide::config::{self, Followed, Redirected, Unwatched};
use crate::aide::{node_links, path_check};
use crate::api::UnwatchedRule;
use crate::text::shorten_middle;

/// Name of the file in the container's own directory.
const FILE: &str = "aide.node.conf";

/// As many rules are listed in a result.
const MAX_LISTED: usize = 20;

/// Most bytes of a link or a reason in a result.
const MAX_TEXT: usize = 512;

/// As many places are looked up with AIDE, at some 5 ms each.
const MAX_ASKED: usize = 256;

/// A configuration for this node.
#[derive(Debug)]
pub struct NodeConfig {
    /// The file that AIDE reads.
    pub path: PathBuf,
    followed: Followed,
}

impl NodeConfig {
    /// Follows the links in the directories of the rules in `config`. The file goes into `work_dir` if
    /// there are any. Links are looked up each time: one may point elsewhere by now, which then shows as
    /// files that were removed and added.
    pub fn make(config: &Path, work_dir: &Path, host_root: &str) -> io::Result<Self> {
        let text = fs::read_to_string(config)?;
        let root = Path::new(host_root);
        let mut look_up = |path: &str| node_links::look_up(root, path);
        let followed = config::follow(&text, host_root, &mut look_up);
        let path = if followed.is_changed() {
            write_new(work_dir.join(FILE), &followed.text)?
        } else {
            config.to_owned()
        };
        Ok(Self { path, followed })
    }

    /// AIDE's first error in `stderr`, by the line of the user's configuration.
    pub fn aide_error(&self, stderr: &str) -> String {
        self.followed
            .aide_error(stderr, &self.path.to_string_lossy())
    }

    /// The rules that watch nothing because of a link: those whose link is not followed, and those for
    /// which another rule leaves out what the link leads to.
    pub async fn unwatched(
        &self,
        aide: &Aide,
        around: &Around,
        host_root: &str,
    ) -> Result<Vec<Unwatched>, RunError> {
        let mut unwatched = self.followed.unwatched.clone();
        let mut answers: Vec<(&str, Option<String>)> = Vec::new();
        for rule in &self.followed.redirected {
            let known = answers.iter().find(|(real, _)| *real == rule.real);
            let reason = match known {
                Some((_, reason)) => reason.clone(),
                None if answers.len() == MAX_ASKED => continue,
                None => {
                    let reason = self.left_out(rule, aide, around, host_root).await?;
                    answers.push((&rule.real, reason.clone()));
                    reason
                }
            };
            unwatched.extend(reason.map(|reason| Unwatched {
                line: rule.line,
                link: rule.link.clone(),
                reason,
            }));
        }
        unwatched.sort();
        unwatched.dedup();
        Ok(unwatched)
    }

    /// Asks AIDE whether a rule leaves out the place that a rule was redirected to, and which one.
    async fn left_out(
        &self,
        rule: &Redirected,
        aide: &Aide,
        around: &Around,
        host_root: &str,
    ) -> Result<Option<String>, RunError> {
        let host = Path::new(host_root);
        let (kind, place) = existing(host, &rule.real);
        if place == "/" {
            return Ok(None);
        }
        let question = format!("{kind}:{host_root}{place}");
        // Negative rules count only for what another rule selects.
        let mut around = around.clone();
        around.after += &config::rule_for(&format!("{host_root}{place}"));
        let stdout = aide.path_check(&self.path, &around, &question).await?;
        let file = self.path.to_string_lossy();
        let Some(answer) = path_check::parse(&stdout, &file, host_root) else {
            return Ok(None);
        };
        let is_negative = answer.kind.is_some_and(|kind| kind.contains("negative"));
        let line = answer.line.filter(|_| is_negative && !answer.watched);
        Ok(line.map(|line| {
            format!(
                "leads to {}, which the rule in line {} leaves out",
                rule.real,
                self.followed.users_line(line)
            )
        }))
    }
}

/// The place itself or the nearest directory above it that is there, with AIDE's letter for its type.
fn existing(host_root: &Path, place: &str) -> (char, String) {
    let mut place = Path::new(place);
    loop {
        let below = place.strip_prefix("/").unwrap_or(place);
        let found = fs::symlink_metadata(host_root.join(below));
        let kind = found.map(|found| found.file_type());
        match (kind, place.parent()) {
            (Err(_), Some(parent)) => place = parent,
            (kind, _) => {
                let is_dir = kind.is_ok_and(|kind| kind.is_dir());
                let letter = if is_dir { 'd' } else { 'f' };
                return (letter, place.to_string_lossy().into_owned());
            }
        }
    }
}

/// Puts a text where nothing is. What somebody has put there is not followed elsewhere.
fn write_new(path: PathBuf, text: &str) -> io::Result<PathBuf> {
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::create_new(&path)?.write_all(text.as_bytes())?;
    Ok(path)
}

/// Rules as a result lists them.
pub fn listed(unwatched: &[Unwatched]) -> Vec<UnwatchedRule> {
    let first = unwatched.iter().take(MAX_LISTED);
    let listed = first.map(|Unwatched { line, link, reason }| UnwatchedRule {
        line: i64::try_from(*line).unwrap_or(i64::MAX),
        link: shortened(link),
        reason: shortened(reason),
    });
    listed.collect()
}

fn shortened(text: &str) -> String {
    let mut text = text.to_owned();
    shorten_middle(&mut text, MAX_TEXT);
    text
}
