//! Branches of `@@if` without a statement, which AIDE 0.17 and later reject. Pure.
//!
//! Comments are not statements, so a removed line may leave a branch empty. Then one line of the branch becomes a definition
//! without effect. If the branch has no lines, the condition is negated or removed.

use super::notes::comment_out;
use crate::aide::config::configuration::Configuration;
use crate::aide::config::line::{Directive, Line, Statement};

/// A statement without effect.
const NOTHING: &str = "@@define FIO_NOTHING nothing";

/// A branch: the lines between two directives.
#[derive(Default)]
struct Branch {
    /// The first line that can be replaced.
    spare: Option<usize>,
    has_statement: bool,
}

struct Condition {
    opener: usize,
    first: Branch,
    /// The line of `@@else` and the branch after it.
    otherwise: Option<(usize, Branch)>,
    /// Whether there is a second `@@else`. The lines are not changed, so that AIDE reports it.
    is_broken: bool,
}

impl Condition {
    fn branch(&mut self) -> &mut Branch {
        match &mut self.otherwise {
            Some((_, branch)) => branch,
            None => &mut self.first,
        }
    }
}

/// A change of a line.
enum Change {
    /// Replace it with a statement without effect.
    Fill(usize),
    /// Turn it into a comment.
    CommentOut(usize),
    Negate(usize),
}

pub(super) fn migrate(effective: &mut Configuration) {
    for change in changes(effective.lines()) {
        let (Change::Fill(index) | Change::CommentOut(index) | Change::Negate(index)) = change;
        let Some(line) = effective.lines_mut().get_mut(index) else {
            continue;
        };
        match change {
            Change::Fill(_) => line.set_text(NOTHING.to_owned()),
            Change::CommentOut(_) => comment_out(line),
            Change::Negate(_) => negate(line),
        }
    }
}

fn changes(lines: &[Line]) -> Vec<Change> {
    let mut open: Vec<Condition> = Vec::new();
    let mut changes = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match line.directive() {
            Some((directive, _)) if directive.opens() => {
                open.push(Condition {
                    opener: index,
                    first: Branch::default(),
                    otherwise: None,
                    is_broken: false,
                });
            }
            Some((Directive::Else, _)) => {
                if let Some(condition) = open.last_mut() {
                    condition.is_broken |= condition.otherwise.is_some();
                    condition.otherwise = Some((index, Branch::default()));
                }
            }
            Some((Directive::EndIf, _)) => {
                let Some(condition) = open.pop() else {
                    continue;
                };
                let opener = condition.opener;
                let stays = condition.is_broken || close(condition, index, &mut changes);
                note(&mut open, opener, stays);
            }
            _ => {
                let is_statement =
                    !matches!(line.statement(), Statement::Blank | Statement::Comment);
                note(&mut open, index, is_statement);
            }
        }
    }
    changes
}

fn note(open: &mut [Condition], index: usize, is_statement: bool) {
    let Some(branch) = open.last_mut().map(Condition::branch) else {
        return;
    };
    if is_statement {
        branch.has_statement = true;
    } else {
        branch.spare.get_or_insert(index);
    }
}

/// Ensures that both branches have a statement. Returns whether the condition remains.
fn close(condition: Condition, end: usize, changes: &mut Vec<Change>) -> bool {
    let Condition {
        opener,
        first,
        otherwise,
        is_broken: _,
    } = condition;
    let first_stays = fill(&first, changes);
    let other_stays = otherwise
        .as_ref()
        .is_some_and(|(_, branch)| fill(branch, changes));
    match (first_stays, other_stays, otherwise) {
        (true, false, Some((at, _))) => changes.push(Change::CommentOut(at)),
        (false, true, Some((at, _))) => {
            changes.extend([Change::Negate(opener), Change::Fill(at)]);
        }
        (false, _, otherwise) => {
            changes.extend(otherwise.map(|(at, _)| Change::CommentOut(at)));
            changes.extend([Change::CommentOut(opener), Change::CommentOut(end)]);
            return false;
        }
        (true, ..) => {}
    }
    true
}

/// Ensures that the branch has a statement, if it has a line to replace. Returns whether it has one.
fn fill(branch: &Branch, changes: &mut Vec<Change>) -> bool {
    if !branch.has_statement {
        changes.extend(branch.spare.map(Change::Fill));
    }
    branch.has_statement || branch.spare.is_some()
}

fn negate(line: &mut Line) {
    let Statement::Directive {
        directive,
        argument,
    } = line.statement()
    else {
        return;
    };
    let argument = line.get(argument);
    let text = match directive {
        Directive::IfDef => format!("@@ifndef {argument}"),
        Directive::IfNotDef => format!("@@ifdef {argument}"),
        Directive::IfHost => format!("@@ifnhost {argument}"),
        Directive::IfNotHost => format!("@@ifhost {argument}"),
        _ => format!("@@if not {argument}"),
    };
    line.set_text(text);
}
