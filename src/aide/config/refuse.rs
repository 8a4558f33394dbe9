//! Rejects unsafe lines in a user's configuration, which must not be trusted with the nodes or the operator. Pure.
//!
//! `@@x_include` runs a program even with `--config-check`, `@@include` shows the content of any file in AIDE's error
//! messages, and databases and reports can be written anywhere. The checks only use the text, so they
//! may also reject lines that AIDE would reject itself.

use super::budget::{Budget, Diagnostics};
use super::configuration::Configuration;
use super::diagnostic::Diagnostic;
use super::line::{Directive, Line, Statement};
use super::macros::{Macros, Readings, split_definition};
use super::paths::{Paths, has_parent_dir};

/// The reasons to reject the user's text. `relocated` is the same text after conversion, whose macros apply.
pub(super) fn refusals(
    user: &Configuration,
    relocated: &Configuration,
    paths: &Paths,
    budget: &Budget,
) -> Diagnostics {
    let mut refused = Diagnostics::default();
    let mut macros = Macros::new(budget);
    for (index, (line, converted)) in user.lines().iter().zip(relocated.lines()).enumerate() {
        let found = included(line)
            .or_else(|| nul(line))
            .or_else(|| own_digest(line))
            .or_else(|| endless(line, &macros))
            .or_else(|| location(line, &macros, paths));
        if let Some((message, remedy)) = found {
            refused.push(Diagnostic::new(index, line.text(), &message, remedy));
        }
        macros.advance(converted);
    }
    refused
}

type Reason = (String, &'static str);

/// Rejects includes anywhere in a line: AIDE's scanner may interpret the rest of a line as a directive.
fn included(line: &Line) -> Option<Reason> {
    if *line.statement() == Statement::Comment {
        return None;
    }
    let name = ["@@x_include_setenv", "@@x_include", "@@include"]
        .into_iter()
        .find(|name| line.text().contains(name))?;
    Some((
        format!("{name} is not allowed: it reads or runs other files"),
        "insert the lines into the configuration",
    ))
}

/// AIDE interprets NUL as the end of the line.
fn nul(line: &Line) -> Option<Reason> {
    line.text()
        .contains('\0')
        .then(|| ("the line contains a NUL byte".to_owned(), "remove it"))
}

/// Macros that contain macros repeatedly could use all memory.
fn endless(line: &Line, macros: &Macros) -> Option<Reason> {
    let Some((Directive::Define, argument)) = line.directive() else {
        return None;
    };
    let (_, value) = split_definition(argument);
    (macros.read(&argument[value]) == Readings::Unknown).then(|| {
        (
            "the macro has too many, or too long, possible values".to_owned(),
            "use the value itself",
        )
    })
}

/// Groups can redefine attributes. This attribute is needed to verify the baseline.
fn own_digest(line: &Line) -> Option<Reason> {
    match line.statement() {
        Statement::Group { name, .. } if line.get(name) == "sha256" => Some((
            "the group has the same name as the digest that verifies the baseline".to_owned(),
            "rename the group",
        )),
        _ => None,
    }
}

/// Rejects databases and reports outside of the state directory.
fn location(line: &Line, macros: &Macros, paths: &Paths) -> Option<Reason> {
    let (name, value) = line.option()?;
    let database = matches!(
        name,
        "database" | "database_in" | "database_out" | "database_new"
    );
    if !database && name != "report_url" {
        return None;
    }
    let is_outside = match macros.read(value) {
        Readings::Unknown => true,
        Readings::Known(readings) => readings
            .iter()
            .filter_map(|reading| reading.strip_prefix("file:"))
            .any(|url| !is_allowed(url, paths)),
    };
    is_outside.then(|| {
        (
            format!("{name} points outside the state directory"),
            "remove the line: database and reports are kept in the state directory",
        )
    })
}

/// Whether the conversion may move the path of a `file:` URL into the state directory: it is already there, or is a
/// usual location of AIDE's files: below `/var`, or with `aide` in its name. Other paths below the host root are
/// rejected, because they were written intentionally.
fn is_allowed(url: &str, paths: &Paths) -> bool {
    let file = url_path(url);
    if paths.is_in_state_dir(file) {
        return true;
    }
    let is_usual = file == "/dev/null"
        || (file.starts_with("/var/") && !file.starts_with("/var/run/"))
        || file.to_ascii_lowercase().contains("aide");
    // The conversion adds the directory to a name without one.
    let is_path = file.starts_with('/') || !url.starts_with('/');
    is_usual && is_path && !has_parent_dir(file) && !paths.is_relocated(file)
}

/// The path of `file:/path`, `file:///path` and `file://host/path` (`parse_url` of AIDE 0.19).
fn url_path(url: &str) -> &str {
    match url.strip_prefix("//") {
        None => url,
        Some(rest) => rest.find('/').map_or(url, |at| &rest[at..]),
    }
}

#[cfg(test)]
mod tests;
