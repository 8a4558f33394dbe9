//! Conversion: where the daemon sees the node's files and keeps AIDE's own (contract, "Conversion").
//!
//! Pure. The daemon sees the node's `/` at the host root (`/hostroot`) and keeps database and
//! reports in the state directory below it. What already points there stays byte for byte, so
//! converting twice is converting once. Comments, order, blanks and line endings stay.

use super::budget::Budget;
use super::line::{Directive, Line, Statement, macro_at};
use super::macros::{Macros, split_definition};
use super::paths::Paths;
use super::{Configuration, Diagnostic};

/// Rewrites `configuration` for the daemon's view of the node. Gives the lines that cannot be.
pub(super) fn relocate(
    configuration: &mut Configuration,
    paths: &Paths,
    budget: &Budget,
) -> Vec<Diagnostic> {
    let mut refused = Vec::new();
    let mut macros = Macros::new(budget);
    for (index, line) in configuration.lines_mut().iter_mut().enumerate() {
        if relocate_line(line, &macros, paths).is_err() {
            refused.push(Diagnostic::new(
                index,
                line.text(),
                "the rule begins with a macro that may or may not point below the host root",
                "write the path out, or define the macro once",
            ));
        }
        macros.pass(line);
    }
    refused
}

/// A line begins with a macro that cannot be told to be converted or not.
struct Unclear;

fn relocate_line(line: &mut Line, macros: &Macros, paths: &Paths) -> Result<(), Unclear> {
    match line.statement() {
        Statement::Directive { .. } => relocate_directive(line, paths),
        Statement::Option { .. } => relocate_option(line, macros, paths),
        Statement::Rule(_) => return relocate_rule(line, macros, paths),
        _ => {}
    }
    Ok(())
}

fn relocate_directive(line: &mut Line, paths: &Paths) {
    let Statement::Directive {
        directive,
        argument,
    } = line.statement()
    else {
        return;
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
                && !paths.is_relocated(&argument[at..])
            {
                line.replace(&(start + at..start + at), paths.host_root());
            }
        }
        _ => {}
    }
}

/// Where the path of `exists /path` or `not exists /path` begins.
fn exists_path(condition: &str) -> Option<usize> {
    let mut rest = condition;
    while let Some(behind) = rest.strip_prefix("not") {
        rest = behind.trim_start_matches([' ', '\t']);
    }
    let path = rest.strip_prefix("exists")?.trim_start_matches([' ', '\t']);
    path.starts_with('/')
        .then_some(condition.len() - path.len())
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

fn relocate_rule(line: &mut Line, macros: &Macros, paths: &Paths) -> Result<(), Unclear> {
    let Some(rule) = line.rule() else {
        return Ok(());
    };
    let at = rule.path.start;
    let path = line.get(&rule.path);
    if path == "/$" {
        // The root itself has no slash behind its name where it is not the root.
        line.replace(&(at..at + 1), paths.rule_prefix());
        return Ok(());
    }
    if macro_at(path, 0).is_none() {
        if !paths.is_relocated(path) {
            line.replace(&(at..at), paths.rule_prefix());
        }
        return Ok(());
    }
    let readings = macros.read(path);
    if readings.all(|reading| paths.is_relocated(reading)) {
        Ok(())
    } else if readings.any(|reading| paths.is_relocated(reading)) {
        Err(Unclear)
    } else if readings.all(|reading| reading.starts_with('/')) {
        line.replace(&(at..at), paths.rule_prefix());
        Ok(())
    } else {
        Ok(())
    }
}
