//! Migration of configurations for AIDE 0.16 to 0.18 to equivalent ones for AIDE 0.19. Pure.
//!
//! The steps follow NEWS of 0.17, 0.18 and 0.19 ("BACKWARDS INCOMPATIBLE CHANGES"). Each is a function here or a
//! module below. Lines are never added or removed, and rules keep their order: AIDE applies the first
//! matching rule of a directory.

mod branches;
mod deeper;
mod digests;
mod expanded_macros;
mod names;
mod notes;
mod old_paths;
mod options;
mod rules;

use self::notes::Notes;
use super::budget::{Budget, Diagnostics};
use super::configuration::Configuration;
use super::diagnostic::Diagnostic;
use super::line::{Directive, Statement};
use super::paths::Paths;
use super::written_for::WrittenFor;

pub(super) use rules::depends_on_end;

/// The result of the steps before the host root is inserted.
#[derive(Debug)]
pub(super) struct Before {
    /// Changes, with lines of the user's text.
    pub(super) warnings: Diagnostics,
    /// Lines that have no equivalent in AIDE 0.19.
    pub(super) refused: Diagnostics,
}

/// Rewrites what AIDE 0.19 interprets differently than the version that the user's text was written for.
/// `relocated` is the user's text after conversion.
pub(super) fn before_relocation(
    user: &Configuration,
    relocated: &Configuration,
    effective: &mut Configuration,
    written_for: WrittenFor,
    budget: &Budget,
) -> Before {
    let mut notes = Notes::new(user, budget);
    old_paths::migrate(effective, written_for, &mut notes);
    let unclear = expanded_macros::expressions(effective, relocated, &mut notes);
    let mut refused = Diagnostics::default();
    refused.extend(unclear.into_iter().map(|index| {
        Diagnostic::new(
            index,
            user.lines().get(index).map_or("", |line| line.text()),
            "AIDE 0.19 does not accept macros in attribute expressions, and this one has several possible values",
            "use the attributes themselves, or define a group, such as `NORMAL = p+u+g+sha256`",
        )
    }));
    Before {
        refused,
        warnings: notes.diagnostics,
    }
}

/// Rewrites the converted configuration for AIDE 0.19. The warnings have lines of the user's text.
pub(super) fn migrate(
    user: &Configuration,
    effective: &mut Configuration,
    written_for: WrittenFor,
    paths: &Paths,
    budget: &Budget,
) -> Diagnostics {
    let mut notes = Notes::new(user, budget);
    byte_order_mark(effective, &mut notes);
    host_names(effective, &mut notes);
    options::migrate(effective, &mut notes);
    expanded_macros::starts_of_rules(effective, budget);
    rules::migrate(effective, written_for, paths, &mut notes);
    digests::migrate(effective, &mut notes);
    names::migrate(effective, &mut notes);
    trailing_comments(effective, &mut notes);
    tabs_around_equals(effective);
    branches::migrate(effective);
    rules::keep_0_19(effective, written_for);
    if let Some(last) = effective.lines_mut().last_mut() {
        last.terminate();
    }
    notes.diagnostics
}

/// AIDE interprets the mark as a part of the first line.
fn byte_order_mark(effective: &mut Configuration, notes: &mut Notes<'_>) {
    if effective.marks > 0 {
        effective.marks = 0;
        notes.warn(
            0,
            "the file starts with a byte order mark",
            "save it without byte order mark",
        );
    }
}

/// AIDE runs in a pod, so it uses the host name of the pod.
fn host_names(effective: &Configuration, notes: &mut Notes<'_>) {
    for (index, line) in effective.lines().iter().enumerate() {
        let is_condition = match line.directive() {
            Some((Directive::IfHost | Directive::IfNotHost, _)) => true,
            Some((Directive::If, condition)) => condition
                .trim_start_matches("not")
                .trim_start()
                .starts_with("hostname"),
            _ => false,
        };
        if is_condition {
            notes.warn(
                index,
                "the condition uses the host name of the pod, not that of the node",
                "use a FileIntegrity with a nodeSelector for each kind of node",
            );
        }
    }
}

/// AIDE 0.16 accepted a comment after any line, 0.17 and later do not accept one after an expression.
fn trailing_comments(effective: &mut Configuration, notes: &mut Notes<'_>) {
    let mut found = Vec::new();
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        let comment_after = |end: usize| line.text()[end..].find('#').map(|at| end + at);
        let end = match line.statement() {
            Statement::Rule(rule) => rule.comment.as_ref().map(|comment| comment.start),
            Statement::Group { expression, .. } => comment_after(expression.end),
            Statement::Option { name, equals, .. } if takes_expression(line.get(name)) => {
                comment_after(equals.end)
            }
            Statement::Directive {
                directive: Directive::Undef,
                argument,
            } => comment_after(argument.start),
            _ => None,
        };
        if let Some(end) = end {
            line.set_text(line.text()[..end].trim_end().to_owned());
            found.push(index);
        }
    }
    notes.warn_once(
        &found,
        "AIDE 0.19 does not accept comments after expressions, so it is removed",
        "put it on a separate line",
    );
}

/// Options whose value is an attribute expression.
fn takes_expression(option: &str) -> bool {
    matches!(
        option,
        "database_attrs"
            | "report_force_attrs"
            | "report_ignore_added_attrs"
            | "report_ignore_changed_attrs"
            | "report_ignore_removed_attrs"
    )
}

/// AIDE 0.16 accepted tabs around `=`, 0.17 and later accept only blanks (`E` of the scanner).
fn tabs_around_equals(effective: &mut Configuration) {
    for line in effective.lines_mut() {
        let (Statement::Option { equals, .. } | Statement::Group { equals, .. }) = line.statement()
        else {
            continue;
        };
        if line.get(equals).contains('\t') {
            let equals = equals.clone();
            line.replace(&equals, " = ");
        }
    }
}
