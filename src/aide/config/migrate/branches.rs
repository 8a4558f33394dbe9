//! Branches of `@@if` without a statement, which the grammar of 0.17 and later refuses.
//!
//! Pure. A comment is no statement, so leaving a line out may empty a branch; 0.16 took empty ones.
//! One of the branch's lines becomes a definition that nobody uses.

use super::super::line::{Directive, Line, Statement};
use super::Configuration;

/// A statement without effect.
const NOTHING: &str = "@@define FIO_NOTHING nothing";

/// A branch that is still open.
#[derive(Default)]
struct Branch {
    /// The first line that may be given up.
    spare: Option<usize>,
    has_statement: bool,
}

pub(super) fn migrate(effective: &mut Configuration) {
    let mut open: Vec<Branch> = Vec::new();
    let mut fill = Vec::new();
    for (index, line) in effective.lines().iter().enumerate() {
        match line.directive() {
            Some((directive, _)) if directive.opens() => {
                mark(&mut open);
                open.push(Branch::default());
            }
            Some((Directive::Else, _)) => {
                fill.extend(close(&mut open));
                open.push(Branch::default());
            }
            Some((Directive::EndIf, _)) => fill.extend(close(&mut open)),
            _ => note(&mut open, index, line),
        }
    }
    for index in fill {
        if let Some(line) = effective.lines_mut().get_mut(index) {
            line.set_text(NOTHING.to_owned());
        }
    }
}

fn mark(open: &mut [Branch]) {
    if let Some(branch) = open.last_mut() {
        branch.has_statement = true;
    }
}

fn note(open: &mut [Branch], index: usize, line: &Line) {
    match line.statement() {
        Statement::Blank | Statement::Comment => {
            if let Some(branch) = open.last_mut() {
                branch.spare.get_or_insert(index);
            }
        }
        _ => mark(open),
    }
}

/// The line to fill a branch with that ends here empty.
fn close(open: &mut Vec<Branch>) -> Option<usize> {
    open.pop()
        .filter(|branch| !branch.has_statement)
        .and_then(|branch| branch.spare)
}
