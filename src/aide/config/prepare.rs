//! Converts a user's configuration to the one that AIDE 0.19 gets on the nodes. Pure.

use super::budget::{self, Budget, Diagnostics};
use super::configuration::Configuration;
use super::coverage;
use super::diagnostic::Diagnostic;
use super::line::{Directive, Line};
use super::migrate;
use super::paths::Paths;
use super::refuse;
use super::relocate;
use super::written_for::WrittenFor;

/// The result of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Key `aide.conf`: the user's text with all paths below the host root.
    pub conf: String,
    /// Key `aide.effective.conf`: the same, in the format of AIDE 0.19. It has as many lines as the user's text.
    pub effective: String,
    /// Lines that were changed for AIDE 0.19, have no effect, or may be mistakes.
    pub warnings: Vec<Diagnostic>,
}

/// A configuration that is rejected before AIDE reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", first_of(.diagnostics))]
pub struct Refused {
    /// The reasons, at least one.
    pub diagnostics: Vec<Diagnostic>,
}

fn first_of(diagnostics: &[Diagnostic]) -> String {
    match diagnostics {
        [] => "rejected".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

/// Converts a user's configuration: paths are moved below the host root, lines are migrated to AIDE 0.19, and unsafe
/// lines are rejected.
///
/// `state_dir` is the path of the state directory on the node (`/etc/kubernetes`), `host_root` the path at which
/// the daemon has the node's `/` (`/hostroot`). The conversion of [`Prepared::conf`] has the same
/// result.
///
/// A text is rejected if it is too large, or if its conversion takes too much work or memory.
pub fn prepare(user_text: &str, state_dir: &str, host_root: &str) -> Result<Prepared, Refused> {
    prepare_within(user_text, state_dir, host_root, &Budget::default())
}

pub(super) fn prepare_within(
    user_text: &str,
    state_dir: &str,
    host_root: &str,
    budget: &Budget,
) -> Result<Prepared, Refused> {
    accept(budget::oversized(user_text))?;
    let paths = Paths::new(host_root, state_dir);
    let user = Configuration::parse(user_text);
    let user_line = |index: usize| user.lines().get(index).map_or("", |line| line.text());
    let written_for = WrittenFor::of(&user);
    let mut conf = user.clone();
    let mut effective = user.clone();
    let mut diagnostics = Diagnostics::default();
    diagnostics.extend(relocate::relocate(&mut conf, written_for, &paths, budget).refused);
    let mut before = migrate::before_relocation(&user, &conf, &mut effective, written_for, budget);
    diagnostics.append(refuse::refusals(&user, &conf, &paths, budget));
    diagnostics.append(std::mem::take(&mut before.refused));
    let relocated = relocate::relocate(&mut effective, written_for, &paths, budget);
    if diagnostics.is_empty() {
        diagnostics.extend(relocated.refused);
    }
    accept(budget.refusal(user_line))?;
    if !diagnostics.is_empty() {
        return Err(Refused {
            diagnostics: diagnostics.into_vec(),
        });
    }
    let conf_text = conf.to_string();
    // The result must be within the limits, too, so that it can be converted again.
    accept(budget::oversized(&conf_text))?;
    let mut warnings = before.warnings;
    warnings.extend(relocated.warnings.into_iter().map(|mut warning| {
        // The line may have been changed by the conversion.
        warning.quote(&user);
        warning
    }));
    warnings.append(migrate::migrate(
        &user,
        &mut effective,
        written_for,
        &paths,
        budget,
    ));
    warnings.extend(coverage::gaps(&user, &conf, &paths, budget));
    accept(budget.refusal(user_line))?;
    Ok(Prepared {
        conf: conf_text,
        effective: effective.to_string(),
        warnings: warnings.into_vec(),
    })
}

/// Fails if there is a reason.
fn accept(reason: Option<Diagnostic>) -> Result<(), Refused> {
    reason.map_or(Ok(()), |reason| {
        Err(Refused {
            diagnostics: vec![reason],
        })
    })
}

/// Warnings about conditions on files of the node. A check runs without these files, so AIDE evaluates the conditions
/// differently.
pub(crate) fn conditions_on_files(user_text: &str) -> Vec<Diagnostic> {
    let user = Configuration::parse(user_text);
    let is_condition_on_files = |line: &&Line| {
        matches!(line.directive(), Some((Directive::If, condition))
            if condition.split([' ', '\t']).find(|word| *word != "not") == Some("exists"))
    };
    let lines = user.lines().iter().enumerate();
    lines
        .filter(|(_, line)| is_condition_on_files(line))
        .map(|(index, line)| {
            Diagnostic::new(
                index,
                line.text(),
                "the condition was evaluated on this machine, which does not have the node's files below /hostroot; \
                 on each node the result may differ",
                "check the other branch, too, without the condition",
            )
        })
        .collect()
}
