//! The configuration as AIDE gets it on this node: with rules for the places that symbolic links lead
//! to. I/O.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::configuration::write_whole;
use crate::aide::command::{Aide, Around, Mode, RunError};
use crate::aide::config::{self, Followed, Redirected, Unwatched};
use crate::aide::exit::{self, AideError};
use crate::aide::path_check::Answer;
use crate::aide::{node_links, path_check};
use crate::api::UnwatchedRule;
use crate::text::shorten_middle;

/// Name of the file in the container's own directory.
const FILE: &str = "aide.node.conf";

/// As many rules are listed in a result.
const MAX_LISTED: usize = 20;
/// Most bytes of a link or a reason in a result.
const MAX_TEXT: usize = 512;

/// As many places are looked up with AIDE, with up to three questions of 5 ms each.
const MAX_ASKED: usize = 256;

/// Longest time for looking up the links of all rules, and for one answer of AIDE.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Why there is no configuration for this node.
#[derive(Debug, thiserror::Error)]
pub enum NodeConfigError {
    /// It cannot be read or written.
    #[error("make this node's configuration of {}", path.display())]
    File {
        /// The configuration.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file system does not answer.
    #[error(
        "the symbolic links of rules cannot be looked up: no answer at {0}; fix or unmount what hangs there, or leave \
         it out of the configuration"
    )]
    Hung(String),
    /// AIDE could not be asked.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// How AIDE is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The program.
    pub aide: &'a Aide,
    /// The text around the configuration.
    pub around: &'a Around,
    /// Where the node's root is mounted.
    pub host_root: &'a str,
    /// Ends it.
    pub cancel: &'a CancellationToken,
}

/// What AIDE answered about the newest configuration for this node; none, if it does not take that one. It
/// is needed at each scan, and seldom another one.
pub type Verified = Arc<Mutex<Option<(Followed, Option<Vec<Unwatched>>)>>>;

/// A configuration for this node.
#[derive(Debug)]
pub struct NodeConfig {
    /// The file that AIDE reads.
    pub path: PathBuf,
    text: String,
    followed: Followed,
    /// For each redirected rule, a path of the node that shows which rule counts there.
    probes: Vec<(char, String)>,
}

impl NodeConfig {
    /// Follows the links in the directories of the rules in `config`. The file goes into `work_dir` if
    /// there are any. Links are looked up each time: one may point elsewhere by now, which then shows as
    /// files that were removed and added.
    pub async fn make(
        config: &Path,
        work_dir: &Path,
        host_root: &str,
        limit: Duration,
    ) -> Result<Self, NodeConfigError> {
        let failed = |source| NodeConfigError::File {
            path: config.to_owned(),
            source,
        };
        let text = fs::read_to_string(config).map_err(failed)?;
        let (followed, probes) = follow(text.clone(), host_root.to_owned(), limit).await?;
        let path = if followed.is_changed {
            let path = work_dir.join(FILE);
            write_whole(&path, &followed.text).map_err(failed)?;
            path
        } else {
            config.to_owned()
        };
        Ok(Self {
            path,
            text,
            followed,
            probes,
        })
    }

    /// AIDE's first error in `stderr`, by the line of the user's configuration.
    pub fn aide_error(&self, stderr: &str) -> String {
        self.followed
            .aide_error(stderr, &self.path.to_string_lossy())
    }

    /// The rules that watch nothing, or less than they should, because of a link. An AIDE that refuses the
    /// additional rules gets `config`, which has none.
    pub async fn verify(
        &mut self,
        config: &Path,
        verified: &Verified,
        asked: Asked<'_>,
    ) -> Result<Vec<Unwatched>, NodeConfigError> {
        let known = match &*locked(verified) {
            Some((followed, answer)) if *followed == self.followed => Some(answer.clone()),
            _ => None,
        };
        if let Some(answer) = known {
            return Ok(answer.unwrap_or_else(|| self.without_additions(config)));
        }
        let followed = self.followed.clone();
        let answer = if !self.followed.is_changed {
            Some(self.followed.unwatched.clone())
        } else if self.is_taken(asked).await? {
            Some(self.unwatched(asked).await?)
        } else {
            None
        };
        *locked(verified) = Some((followed, answer.clone()));
        let unwatched = answer.unwrap_or_else(|| self.without_additions(config));
        for Unwatched { line, link, reason } in &unwatched {
            tracing::warn!(
                line,
                link,
                reason,
                "a rule does not watch what it names behind a symbolic link"
            );
        }
        Ok(unwatched)
    }

    /// Whether AIDE takes the configuration.
    async fn is_taken(&self, asked: Asked<'_>) -> Result<bool, NodeConfigError> {
        let Asked {
            aide,
            around,
            cancel,
            ..
        } = asked;
        let ended = aide
            .run(Mode::ConfigCheck, &self.path, around, cancel)
            .await?;
        let refused = exit::decode_plain(ended.code, ended.signal);
        Ok(!matches!(refused, Err(AideError::Configuration)))
    }

    /// Goes back to the user's own rules.
    fn without_additions(&mut self, config: &Path) -> Vec<Unwatched> {
        config.clone_into(&mut self.path);
        let users = Followed::unchanged(std::mem::take(&mut self.text));
        let followed = std::mem::replace(&mut self.followed, users);
        let mut unwatched = followed.unwatched;
        unwatched.extend(followed.redirected.iter().map(|rule| {
            unwatched_by(
                rule,
                format!(
                    "leads to {}, and AIDE does not take the rule for it",
                    rule.real
                ),
            )
        }));
        unwatched
    }

    async fn unwatched(&self, asked: Asked<'_>) -> Result<Vec<Unwatched>, NodeConfigError> {
        let refused = self.followed.unwatched.iter().cloned();
        let mut unwatched: BTreeSet<Unwatched> = refused.collect();
        let rules = self.followed.redirected.iter().zip(&self.probes);
        for (number, (rule, probe)) in rules.enumerate() {
            let reason = if number < MAX_ASKED {
                self.reason(rule, probe, asked).await?
            } else {
                Some(format!(
                    "leads to {}, and there are too many such rules to verify",
                    rule.real
                ))
            };
            unwatched.extend(reason.map(|reason| unwatched_by(rule, reason)));
        }
        Ok(unwatched.into_iter().collect())
    }

    /// Why a rule does not watch what it should at the real place.
    async fn reason(
        &self,
        rule: &Redirected,
        (kind, place): &(char, String),
        asked: Asked<'_>,
    ) -> Result<Option<String>, NodeConfigError> {
        let real = &rule.real;
        let path = format!("{}{place}", asked.host_root);
        let question = format!("{kind}:{path}");
        let Some(answer) = self.ask(&question, "", asked).await? else {
            return Ok(None);
        };
        if answer.watched {
            let Some(line) = answer.line.map(|line| self.followed.users_line(line)) else {
                return Ok(None);
            };
            if line == rule.line {
                return Ok(None);
            }
            let missing = self.missing(rule, &answer, asked).await?;
            return Ok(missing.map(|missing| {
                format!("leads to {real}, where the rule in line {line} counts, without {missing}")
            }));
        }
        // Negative rules count only for what another rule selects.
        let probed = self
            .ask(&question, &config::rule_for(&path, "p"), asked)
            .await?;
        let negative = probed.filter(|answer| {
            !answer.watched
                && answer
                    .kind
                    .as_ref()
                    .is_some_and(|kind| kind.contains("negative"))
        });
        Ok(match negative.and_then(|answer| answer.line) {
            Some(line) => Some(format!(
                "leads to {real}, which the rule in line {} leaves out",
                self.followed.users_line(line)
            )),
            None if !rule.is_added => Some(format!(
                "leads to {real}, where other rules select something as well; write the real path"
            )),
            None => None,
        })
    }

    /// The attributes of a rule that another one does not compare.
    async fn missing(
        &self,
        rule: &Redirected,
        counts: &Answer,
        asked: Asked<'_>,
    ) -> Result<Option<String>, NodeConfigError> {
        // A path that no rule of the node's files is about.
        let alone = config::rule_for("/fio.attributes", &rule.attributes);
        let own = self.ask("f:/fio.attributes", &alone, asked).await?;
        let own = own.and_then(|answer| answer.attributes).unwrap_or_default();
        let counting = counts.attributes.as_deref().unwrap_or_default();
        let counting: BTreeSet<&str> = counting.split('+').collect();
        let missing = own.split('+').filter(|one| !counting.contains(one));
        let missing: Vec<&str> = missing.collect();
        Ok((!missing.is_empty()).then(|| missing.join("+")))
    }

    /// AIDE's answer about a path, with more lines at the end of the configuration.
    async fn ask(
        &self,
        question: &str,
        more: &str,
        asked: Asked<'_>,
    ) -> Result<Option<Answer>, NodeConfigError> {
        let mut around = asked.around.clone();
        around.after += more;
        let answer = asked.aide.path_check(&self.path, &around, question);
        let Ok(stdout) = tokio::time::timeout(LIMIT, answer).await else {
            return Err(NodeConfigError::Hung(question.to_owned()));
        };
        Ok(path_check::parse(
            &stdout?,
            &self.path.to_string_lossy(),
            asked.host_root,
        ))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unwatched_by(rule: &Redirected, reason: String) -> Unwatched {
    Unwatched {
        line: rule.line,
        link: rule.link.clone(),
        reason,
    }
}

/// Looks up the links on a thread of its own: one that waits for a file system that hangs is left alone,
/// and a daemon that ends does not wait for it.
async fn follow(
    text: String,
    host_root: String,
    limit: Duration,
) -> Result<(Followed, Vec<(char, String)>), NodeConfigError> {
    let at = Arc::new(Mutex::new(String::new()));
    let (progress, (done, result)) = (Arc::clone(&at), oneshot::channel());
    std::thread::spawn(move || {
        let root = Path::new(&host_root);
        let note = |path: &str| {
            path.clone_into(&mut locked(&progress));
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
        // Nobody waits for it any more, if it took too long.
        drop(done.send((followed, probes)));
    });
    if let Ok(Ok(followed)) = tokio::time::timeout(limit, result).await {
        return Ok(followed);
    }
    let at = locked(&at).clone();
    Err(NodeConfigError::Hung(at))
}

/// A path that shows which rule counts at a place, with AIDE's letter for its type: a file in a directory
/// with a slash at its end; else the place itself, or the nearest directory above it that is there.
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
