//! `aide.conf`: a lossless model of its lines, and what is made of a user's text.
//!
//! Pure. [`prepare`] takes a text from a ConfigMap to the two that run: [`Prepared::conf`], where
//! everything points below the host root (key `aide.conf`), and [`Prepared::effective`], which
//! AIDE 0.19 takes (key `aide.effective.conf`). All three have the same number of lines, so that a
//! line number of AIDE's is one of the user's. On a node [`follow`] adds rules for what symbolic links
//! lead to. [`run_options_before`] and [`run_options`] are our own lines around it in each run.

mod budget;
mod coverage;
mod diagnostic;
mod error;
mod expression;
mod groups;
mod line;
mod links;
mod macros;
mod migrate;
mod options;
mod paths;
mod refuse;
mod regex;
mod relocate;
mod rule_path;
mod written_for;

use std::fmt;

use crate::api::names::sha256_hex;

pub use diagnostic::Diagnostic;
pub use error::aide_error;
pub use line::{Directive, Line, Rule, RuleKind, Statement};
pub use links::{Followed, Place, Redirected, Unwatched, follow};
pub use options::{RunOptions, rule_for, run_options, run_options_before};

use budget::{Budget, Diagnostics};
use paths::Paths;
use written_for::WrittenFor;

/// The byte order mark that some editors put in front of a text.
const BOM: char = '\u{feff}';

/// An `aide.conf`, line by line. Printing it gives the text that was read, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// How many byte order marks it begins with: editors that do not see one add another.
    marks: usize,
    lines: Vec<Line>,
}

impl Configuration {
    /// Reads any text; what AIDE would not understand is [`Statement::Unknown`].
    pub fn parse(text: &str) -> Self {
        let rest = text.trim_start_matches(BOM);
        // A vector that grows would take up to twice the memory.
        let mut lines = Vec::with_capacity(rest.split_inclusive('\n').count());
        lines.extend(rest.split_inclusive('\n').map(Line::parse));
        Self {
            marks: (text.len() - rest.len()) / BOM.len_utf8(),
            lines,
        }
    }

    /// The lines, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    fn lines_mut(&mut self) -> &mut [Line] {
        &mut self.lines
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.marks).try_for_each(|_| write!(f, "{BOM}"))?;
        self.lines
            .iter()
            .try_for_each(|line| write!(f, "{}{}", line.text(), line.ending()))
    }
}

/// What becomes of a user's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Key `aide.conf`: the user's text, pointing below the host root.
    pub conf: String,
    /// Key `aide.effective.conf`: the same, in what AIDE 0.19 takes. As many lines as the user's.
    pub effective: String,
    /// What was changed for AIDE 0.19, has no effect, or looks wrong.
    pub warnings: Vec<Diagnostic>,
}

/// A configuration that AIDE is not to see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", first_of(.diagnostics))]
pub struct Refused {
    /// Why, line by line; at least one.
    pub diagnostics: Vec<Diagnostic>,
}

fn first_of(diagnostics: &[Diagnostic]) -> String {
    match diagnostics {
        [] => "refused".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

/// Makes a user's configuration ready: converted for the daemon's view of the node, migrated to
/// AIDE 0.19, checked for what it must not do.
///
/// `state_dir` is the state directory as it is called on the node (`/etc/kubernetes`), `host_root`
/// where the daemon sees the node's `/` (`/hostroot`). Preparing [`Prepared::conf`] again gives the
/// same.
///
/// A text that is too large, or takes too much work or memory, is refused ([`budget`]).
pub fn prepare(user_text: &str, state_dir: &str, host_root: &str) -> Result<Prepared, Refused> {
    prepare_within(user_text, state_dir, host_root, &Budget::default())
}

fn prepare_within(
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
    // What is made of it has to be within the limits as well, so that it can be prepared again.
    accept(budget::oversized(&conf_text))?;
    let mut warnings = before.warnings;
    warnings.extend(relocated.warnings.into_iter().map(|mut warning| {
        // What stands in the line by now may not be the user's.
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

/// Goes on if there is no reason not to.
fn accept(reason: Option<Diagnostic>) -> Result<(), Refused> {
    reason.map_or(Ok(()), |reason| {
        Err(Refused {
            diagnostics: vec![reason],
        })
    })
}

/// The conditions of a user's text on files of the node: where a check runs there are no such files,
/// so AIDE takes the branches that it takes without them.
pub fn conditions_on_files(user_text: &str) -> Vec<Diagnostic> {
    let user = Configuration::parse(user_text);
    let asks = |line: &&Line| {
        matches!(line.directive(), Some((Directive::If, condition))
            if condition.split([' ', '\t']).find(|word| *word != "not") == Some("exists"))
    };
    let lines = user.lines().iter().enumerate();
    lines
        .filter(|(_, line)| asks(line))
        .map(|(index, line)| {
            Diagnostic::new(
                index,
                line.text(),
                "the condition was checked on this machine, where the node's files are not below \
                 /hostroot; each node decides for itself",
                "check the other branch as well, with the condition left out",
            )
        })
        .collect()
}

/// The lower-case hexadecimal SHA-256 of an effective configuration: what a baseline was made with.
pub fn config_hash(effective: &str) -> String {
    sha256_hex(effective)
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
pub(in crate::aide) mod tests;
