//! Queries AIDE which rules apply at the targets of symbolic links. I/O.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::NodeConfigError;
use super::link_lookup::LinkedRules;
use crate::aide::command::{Aide, ExtraConfig, Mode};
use crate::aide::config::{self, Redirected, Unwatched};
use crate::aide::exit::{self, AideError};
use crate::aide::path_check::{self, Answer};

/// Maximum number of targets that are checked, with up to three queries of 5 ms each.
const MAX_CHECKED: usize = 256;
/// Maximum time to look up the links of all rules, and for one answer of AIDE.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// How AIDE is queried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AideQuery<'a> {
    pub aide: &'a Aide,
    /// Text before and after the configuration.
    pub extra: &'a ExtraConfig,
    /// Mount of the node's root.
    pub host_root: &'a str,
    pub cancel: &'a CancellationToken,
}

/// Whether AIDE accepts the configuration in `path`.
pub(super) async fn is_accepted(
    path: &Path,
    query: AideQuery<'_>,
) -> Result<bool, NodeConfigError> {
    let (extra, cancel) = (query.extra, query.cancel);
    let run = query.aide.run(Mode::ConfigCheck, path, extra, cancel);
    let ended = run.await?;
    let refused = exit::decode_plain(ended.code, ended.signal);
    Ok(!matches!(refused, Err(AideError::Configuration)))
}

/// A rule that does not watch the target of its link.
pub(super) fn unwatched_by(rule: &Redirected, reason: String) -> Unwatched {
    Unwatched {
        line: rule.line,
        link: rule.link.clone(),
        reason,
    }
}

/// Checks the rules of a configuration.
#[derive(Debug)]
pub(super) struct RuleCheck<'a> {
    /// The file with the configuration.
    pub(super) path: &'a Path,
    pub(super) rules: &'a LinkedRules,
    pub(super) query: AideQuery<'a>,
}

impl RuleCheck<'_> {
    /// The rules that watch nothing, or less than they should, because of a link.
    pub(super) async fn unwatched(&self) -> Result<Vec<Unwatched>, NodeConfigError> {
        let followed = &self.rules.followed;
        let mut unwatched: BTreeSet<Unwatched> = followed.unwatched.iter().cloned().collect();
        let rules = followed.redirected.iter().zip(&self.rules.probes);
        for (number, (rule, probe)) in rules.enumerate() {
            let reason = if number < MAX_CHECKED {
                self.reason(rule, probe).await?
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

    /// Why a rule does not watch its target, if it does not.
    async fn reason(
        &self,
        rule: &Redirected,
        (kind, place): &(char, String),
    ) -> Result<Option<String>, NodeConfigError> {
        let path = format!("{}{place}", self.query.host_root);
        let question = format!("{kind}:{path}");
        let Some(answer) = self.answer_to(&question, "").await? else {
            return Ok(None);
        };
        if answer.watched {
            self.reason_of_watched(rule, &answer).await
        } else {
            self.reason_of_unwatched(rule, &path, &question).await
        }
    }

    /// Another rule watches the target, perhaps with fewer attributes.
    async fn reason_of_watched(
        &self,
        rule: &Redirected,
        answer: &Answer,
    ) -> Result<Option<String>, NodeConfigError> {
        let Some(line) = answer.line.map(|line| self.rules.followed.users_line(line)) else {
            return Ok(None);
        };
        if line == rule.line {
            return Ok(None);
        }
        let real = &rule.real;
        let missing = self.missing_attributes(rule, answer).await?;
        Ok(missing.map(|missing| {
            format!("leads to {real}, where the rule in line {line} counts, without {missing}")
        }))
    }

    /// No rule watches the target.
    async fn reason_of_unwatched(
        &self,
        rule: &Redirected,
        path: &str,
        question: &str,
    ) -> Result<Option<String>, NodeConfigError> {
        let real = &rule.real;
        // Negative rules apply only to paths that another rule selects.
        let probed = self
            .answer_to(question, &config::rule_for(path, "p"))
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
                self.rules.followed.users_line(line)
            )),
            None if !rule.is_added => Some(format!(
                "leads to {real}, where other rules select something as well; write the real path"
            )),
            None => None,
        })
    }

    /// The attributes of a rule that the applying rule does not compare.
    async fn missing_attributes(
        &self,
        rule: &Redirected,
        applying: &Answer,
    ) -> Result<Option<String>, NodeConfigError> {
        // A path that only this rule selects.
        let alone = config::rule_for("/fio.attributes", &rule.attributes);
        let own = self.answer_to("f:/fio.attributes", &alone).await?;
        let own = own.and_then(|answer| answer.attributes).unwrap_or_default();
        let applying = applying.attributes.as_deref().unwrap_or_default();
        let applying: BTreeSet<&str> = applying.split('+').collect();
        let missing = own.split('+').filter(|one| !applying.contains(one));
        let missing: Vec<&str> = missing.collect();
        Ok((!missing.is_empty()).then(|| missing.join("+")))
    }

    /// AIDE's answer about a path, with more lines at the end of the configuration.
    async fn answer_to(
        &self,
        question: &str,
        more: &str,
    ) -> Result<Option<Answer>, NodeConfigError> {
        let mut extra = self.query.extra.clone();
        extra.after += more;
        let answer = self.query.aide.path_check(self.path, &extra, question);
        let Ok(stdout) = tokio::time::timeout(TIMEOUT, answer).await else {
            return Err(NodeConfigError::Hung(question.to_owned()));
        };
        let path = self.path.to_string_lossy();
        Ok(path_check::parse(&stdout?, &path, self.query.host_root))
    }
}
