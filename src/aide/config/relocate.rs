//! Inserts the host root into paths, and the state directory into options. Pure.
//!
//! The daemon has the node's `/` at the host root (`/hostroot`), and database and reports in the state directory below it.
//! Paths that are already below the host root do not change, so a second conversion has no effect.
//! Comments, order, blanks and line endings do not change either.

mod rules;

use super::budget::Budget;
use super::configuration::Configuration;
use super::diagnostic::Diagnostic;
use super::line::{Directive, Line, Statement, macro_at, string_end};
use super::macros::{Macros, split_definition};
use super::paths::{Paths, escape};
use super::written_for::WrittenFor;

use rules::{Meaning, Rules};

/// The result of a conversion.
#[derive(Debug, Default)]
pub(super) struct Relocated {
    /// Lines that cannot be converted.
    pub(super) refused: Vec<Diagnostic>,
    /// Lines whose meaning changes slightly.
    pub(super) warnings: Vec<Diagnostic>,
}

pub(super) fn relocate(
    configuration: &mut Configuration,
    written_for: WrittenFor,
    paths: &Paths,
    budget: &Budget,
) -> Relocated {
    let mut relocated = Relocated::default();
    let mut macros = Macros::new(budget);
    let mut rules = Rules::new(written_for, paths, budget);
    for (index, line) in configuration.lines_mut().iter_mut().enumerate() {
        let about = |line: &Line, (message, remedy): (&str, &str)| {
            Diagnostic::new(index, line.text(), message, remedy)
        };
        rules.index = index;
        let original = line.clone();
        match relocate_line(line, &macros, &mut rules) {
            Err(Unclear) => {
                let problem = if line.rule().is_some() {
                    UNCLEAR_RULE
                } else {
                    UNCLEAR_CONDITION
                };
                relocated.refused.push(about(&original, problem));
            }
            Ok(Meaning::Kept) => {}
            Ok(Meaning::Differs(message, remedy)) => {
                relocated.warnings.push(about(&original, (message, remedy)));
            }
        }
        macros.advance(line);
    }
    relocated
}

const UNCLEAR_RULE: (&str, &str) = (
    "the rule contains a macro that may or may not be a path below the host root, or has several values with `|`",
    "use the path itself, or define the macro only once",
);

const UNCLEAR_CONDITION: (&str, &str) = (
    "the condition contains a macro that may or may not be a path below the host root",
    "use the path itself, or define the macro only once",
);

/// The conversion of a line depends on unknown values.
#[derive(Debug)]
struct Unclear;

fn relocate_line(
    line: &mut Line,
    macros: &Macros,
    rules: &mut Rules<'_>,
) -> Result<Meaning, Unclear> {
    match line.statement() {
        Statement::Directive { .. } => relocate_directive(line, macros, rules.paths)?,
        Statement::Option { .. } => relocate_option(line, macros, rules.paths),
        Statement::Rule(_) => return rules.relocate(line, macros),
        _ => {}
    }
    Ok(Meaning::Kept)
}

fn relocate_directive(line: &mut Line, macros: &Macros, paths: &Paths) -> Result<(), Unclear> {
    let Statement::Directive {
        directive,
        argument,
    } = line.statement()
    else {
        return Ok(());
    };
    let (directive, start) = (*directive, argument.start);
    let argument = line.get(argument).to_owned();
    match directive {
        Directive::Define => {
            let (name, value) = split_definition(&argument);
            if matches!(name, "DBDIR" | "LOGDIR") {
                let blank = if value.start == name.len() { " " } else { "" };
                let with = format!("{blank}{}", paths.state_dir_escaped());
                line.replace(&(start + value.start..start + value.end), &with);
            }
        }
        Directive::If => {
            if let Some(at) = exists_path(&argument)
                && needs_host_root(&argument[at..], macros, paths)?
            {
                line.replace(&(start + at..start + at), &escape(paths.host_root()));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether the host root must be inserted into the path of a condition. Empty and relative paths are not converted.
fn needs_host_root(path: &str, macros: &Macros, paths: &Paths) -> Result<bool, Unclear> {
    let path = &path[..string_end(path, 0)];
    let readings = macros.read(path);
    if readings.all(|reading| reading.starts_with('/') && !paths.is_relocated(reading)) {
        Ok(true)
    } else if readings.all(|reading| !reading.starts_with('/') || paths.is_relocated(reading)) {
        Ok(false)
    } else {
        Err(Unclear)
    }
}

/// The start of the path in `exists /path`, `exists @@{DIR}` or `not exists /path`.
fn exists_path(condition: &str) -> Option<usize> {
    let mut rest = condition;
    while let Some(after) = rest.strip_prefix("not") {
        rest = after.trim_start_matches([' ', '\t']);
    }
    let path = rest.strip_prefix("exists")?.trim_start_matches([' ', '\t']);
    (path.starts_with('/') || macro_at(path, 0).is_some()).then_some(condition.len() - path.len())
}

fn relocate_option(line: &mut Line, macros: &Macros, paths: &Paths) {
    let Statement::Option { name, value, .. } = line.statement() else {
        return;
    };
    let (macro_name, file) = match line.get(name) {
        "database" | "database_in" => ("DBDIR", "aide.db.gz"),
        "database_out" | "database_new" => ("DBDIR", "aide.db.gz.new"),
        "report_url" if line.get(value).starts_with("file") => ("LOGDIR", "aide.log.new"),
        _ => return,
    };
    let named = format!("@@{{{macro_name}}}");
    let directory = if macros
        .read(&named)
        .all(|reading| reading == paths.state_dir())
    {
        named
    } else {
        paths.state_dir_escaped().to_owned()
    };
    let value = value.clone();
    line.replace(&value, &format!("file:{directory}/{file}"));
}
