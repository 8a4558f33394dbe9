//! Migration: from what AIDE 0.16 to 0.18 took to what AIDE 0.19 takes, with the same meaning.
//!
//! Pure. The steps follow NEWS of 0.17, 0.18 and 0.19 ("BACKWARDS INCOMPATIBLE CHANGES"), each a
//! function here or a module below. Lines are never added or taken away, and rules stay in their
//! order: AIDE takes the first that matches among those of one directory.

mod branches;
mod deeper;
mod digests;
mod names;
mod old_paths;
mod options;
mod rules;
mod written_out;

use super::budget::{Budget, Diagnostics};
use super::line::{Directive, Line, Statement};
use super::paths::Paths;
use super::written_for::WrittenFor;
use super::{Configuration, Diagnostic};

pub(super) use rules::depends_on_end;

/// What has to be done before the host root is put in front of paths.
#[derive(Debug)]
pub(super) struct Before {
    /// What was done, in terms of the user's text.
    pub(super) warnings: Diagnostics,
    /// Lines that cannot be written for AIDE 0.19.
    pub(super) refused: Diagnostics,
}

/// Rewrites what AIDE 0.19 reads otherwise than the AIDE that the user's text was written for.
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
    let unclear = written_out::expressions(effective, relocated, &mut notes);
    let mut refused = Diagnostics::default();
    refused.extend(unclear.into_iter().map(|index| {
        Diagnostic::new(
            index,
            user.lines().get(index).map_or("", |line| line.text()),
            "AIDE 0.19 takes no macro in an attribute expression, and this one has more than one \
             possible value",
            "write the attributes out, or define a group, such as `NORMAL = p+u+g+sha256`",
        )
    }));
    Before {
        refused,
        warnings: notes.told,
    }
}

/// Rewrites the converted configuration for AIDE 0.19. Reports each step in terms of the user's
/// text.
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
    written_out::beginnings(effective, budget);
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
    notes.told
}

/// What is told of the steps.
struct Notes<'a> {
    user: &'a Configuration,
    budget: Budget,
    told: Diagnostics,
}

impl<'a> Notes<'a> {
    /// None yet, about a text that has this budget.
    fn new(user: &'a Configuration, budget: &Budget) -> Self {
        Self {
            user,
            budget: budget.clone(),
            told: Diagnostics::default(),
        }
    }

    /// About the line with this index.
    fn tell(&mut self, index: usize, message: &str, remedy: &str) {
        let text = self.user.lines().get(index).map_or("", |line| line.text());
        self.told
            .push(Diagnostic::new(index, text, message, remedy));
    }

    /// One remark for many lines: at the first, with their number.
    fn tell_once(&mut self, indexes: &[usize], message: &str, remedy: &str) {
        match indexes {
            [] => {}
            [only] => self.tell(*only, message, remedy),
            [first, rest @ ..] => {
                let message = format!("{message} (here and on {} more lines)", rest.len());
                self.tell(*first, &message, remedy);
            }
        }
    }
}

/// Turns a line into a comment.
fn leave_out(line: &mut Line) {
    let text = format!("# not used: {}", line.text().trim_start());
    line.set_text(text);
}

/// AIDE takes the mark for the first line's beginning.
fn byte_order_mark(effective: &mut Configuration, notes: &mut Notes<'_>) {
    if effective.marks > 0 {
        effective.marks = 0;
        notes.tell(
            0,
            "the file begins with a byte order mark",
            "save it without",
        );
    }
}

/// AIDE runs in a pod, whose host name is the pod's.
fn host_names(effective: &Configuration, notes: &mut Notes<'_>) {
    for (index, line) in effective.lines().iter().enumerate() {
        let asks = match line.directive() {
            Some((Directive::IfHost | Directive::IfNotHost, _)) => true,
            Some((Directive::If, condition)) => condition
                .trim_start_matches("not")
                .trim_start()
                .starts_with("hostname"),
            _ => false,
        };
        if asks {
            notes.tell(
                index,
                "the condition looks at the pod's host name, not the node's",
                "use a FileIntegrity with a nodeSelector for each kind of node",
            );
        }
    }
}

/// 0.16 took a comment behind any line; since 0.17 none is allowed behind an expression.
fn trailing_comments(effective: &mut Configuration, notes: &mut Notes<'_>) {
    let mut found = Vec::new();
    for (index, line) in effective.lines_mut().iter_mut().enumerate() {
        let behind = |end: usize| line.text()[end..].find('#').map(|at| end + at);
        let end = match line.statement() {
            Statement::Rule(rule) => rule.comment.as_ref().map(|comment| comment.start),
            Statement::Group { expression, .. } => behind(expression.end),
            Statement::Option { name, equals, .. } if takes_expression(line.get(name)) => {
                behind(equals.end)
            }
            Statement::Directive {
                directive: Directive::Undef,
                argument,
            } => behind(argument.start),
            _ => None,
        };
        if let Some(end) = end {
            line.set_text(line.text()[..end].trim_end().to_owned());
            found.push(index);
        }
    }
    notes.tell_once(
        &found,
        "AIDE 0.19 takes no comment behind an expression, so it is left out",
        "put it on a line of its own",
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

/// 0.16 took tabs around `=`; since 0.17 only blanks are (`E` of the scanner).
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
