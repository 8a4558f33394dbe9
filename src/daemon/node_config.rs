//! The configuration for this node: the user's rules, and rules for the targets of symbolic links. I/O.

mod error;
mod link_lookup;
mod rule_check;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) use self::error::NodeConfigError;
pub(crate) use self::rule_check::{AideQuery, TIMEOUT};

use self::link_lookup::{LinkedRules, follow};
use self::rule_check::{RuleCheck, is_accepted, unwatched_by};
use super::configuration::write_atomically;
use crate::aide::config::{Followed, Unwatched};
use crate::api::UnwatchedRule;
use crate::locks::lock;
use crate::text::shortened;

/// Name of the file in the container's own directory.
const FILE: &str = "aide.node.conf";

/// Maximum number of rules in a result.
const MAX_LISTED: usize = 20;
/// Maximum bytes of a link or a reason in a result.
const MAX_TEXT: usize = 512;

/// What AIDE has answered about the newest configuration for this node; None if it does not accept that
/// configuration. It is needed at each scan, and seldom changes.
pub(crate) type Verified = Arc<Mutex<Option<(Followed, Option<Vec<Unwatched>>)>>>;

/// A configuration for this node.
#[derive(Debug)]
pub(crate) struct NodeConfig {
    /// The file for AIDE.
    pub path: PathBuf,
    text: String,
    rules: LinkedRules,
}

impl NodeConfig {
    /// Follows the links in the directories of the rules in `config`. If there are any, the file is written
    /// to `work_dir`. Links are looked up for each run: if the target of one has changed, its files are
    /// reported as removed and added.
    pub(crate) async fn create(
        config: &Path,
        work_dir: &Path,
        host_root: &str,
        timeout: Duration,
    ) -> Result<Self, NodeConfigError> {
        let failed = |source| NodeConfigError::File {
            path: config.to_owned(),
            source,
        };
        let text = fs::read_to_string(config).map_err(failed)?;
        let rules = follow(text.clone(), host_root.to_owned(), timeout).await?;
        let path = if rules.followed.is_changed {
            let path = work_dir.join(FILE);
            write_atomically(&path, &rules.followed.text).map_err(failed)?;
            path
        } else {
            config.to_owned()
        };
        Ok(Self { path, text, rules })
    }

    /// AIDE's first error in `stderr`, with line numbers of the user's configuration.
    pub(crate) fn aide_error(&self, stderr: &str) -> String {
        let path = self.path.to_string_lossy();
        self.rules.followed.aide_error(stderr, &path)
    }

    /// The rules that watch nothing, or less than they should, because of a link. If AIDE does not accept
    /// the additional rules, it gets `config` without them.
    pub(crate) async fn verify(
        &mut self,
        config: &Path,
        verified: &Verified,
        query: AideQuery<'_>,
    ) -> Result<Vec<Unwatched>, NodeConfigError> {
        let known = match &*lock(verified) {
            Some((followed, answer)) if *followed == self.rules.followed => Some(answer.clone()),
            _ => None,
        };
        if let Some(answer) = known {
            return Ok(answer.unwrap_or_else(|| self.without_additions(config)));
        }
        let followed = self.rules.followed.clone();
        let answer = self.check(query).await?;
        *lock(verified) = Some((followed, answer.clone()));
        let unwatched = answer.unwrap_or_else(|| self.without_additions(config));
        for Unwatched { line, link, reason } in &unwatched {
            tracing::warn!(
                line,
                link,
                reason,
                "a rule does not watch the target of a symbolic link"
            );
        }
        Ok(unwatched)
    }

    /// The rules that watch nothing; None if AIDE does not accept the configuration.
    async fn check(&self, query: AideQuery<'_>) -> Result<Option<Vec<Unwatched>>, NodeConfigError> {
        if !self.rules.followed.is_changed {
            return Ok(Some(self.rules.followed.unwatched.clone()));
        }
        if !is_accepted(&self.path, query).await? {
            return Ok(None);
        }
        let check = RuleCheck {
            path: &self.path,
            rules: &self.rules,
            query,
        };
        Ok(Some(check.unwatched().await?))
    }

    /// Discards the additional rules.
    fn without_additions(&mut self, config: &Path) -> Vec<Unwatched> {
        config.clone_into(&mut self.path);
        let unchanged = Followed::unchanged(std::mem::take(&mut self.text));
        let followed = std::mem::replace(&mut self.rules.followed, unchanged);
        let mut unwatched = followed.unwatched;
        unwatched.extend(followed.redirected.iter().map(|rule| {
            let real = &rule.real;
            let reason = format!("leads to {real}, and AIDE does not take the rule for it");
            unwatched_by(rule, reason)
        }));
        unwatched
    }
}

/// The rules as a result lists them.
pub(crate) fn listed(unwatched: &[Unwatched]) -> Vec<UnwatchedRule> {
    let first = unwatched.iter().take(MAX_LISTED);
    let listed = first.map(|Unwatched { line, link, reason }| UnwatchedRule {
        line: i64::try_from(*line).unwrap_or(i64::MAX),
        link: shortened(link, MAX_TEXT),
        reason: shortened(reason, MAX_TEXT),
    });
    listed.collect()
}
