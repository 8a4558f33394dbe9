//! Warnings about the steps of a migration. Pure.

use crate::aide::config::budget::{Budget, Diagnostics};
use crate::aide::config::configuration::Configuration;
use crate::aide::config::diagnostic::Diagnostic;
use crate::aide::config::line::Line;

/// The warnings so far.
pub(super) struct Notes<'a> {
    pub(super) user: &'a Configuration,
    pub(super) budget: Budget,
    pub(super) diagnostics: Diagnostics,
}

impl<'a> Notes<'a> {
    pub(super) fn new(user: &'a Configuration, budget: &Budget) -> Self {
        Self {
            user,
            budget: budget.clone(),
            diagnostics: Diagnostics::default(),
        }
    }

    /// Warns about the line with this index.
    pub(super) fn warn(&mut self, index: usize, message: &str, remedy: &str) {
        let text = self.user.lines().get(index).map_or("", |line| line.text());
        self.diagnostics
            .push(Diagnostic::new(index, text, message, remedy));
    }

    /// Warns once about several lines: at the first one, with their number.
    pub(super) fn warn_once(&mut self, indexes: &[usize], message: &str, remedy: &str) {
        match indexes {
            [] => {}
            [only] => self.warn(*only, message, remedy),
            [first, rest @ ..] => {
                let message = format!("{message} (here and on {} more lines)", rest.len());
                self.warn(*first, &message, remedy);
            }
        }
    }
}

/// Turns a line into a comment.
pub(super) fn comment_out(line: &mut Line) {
    let text = format!("# not used: {}", line.text().trim_start());
    line.set_text(text);
}
