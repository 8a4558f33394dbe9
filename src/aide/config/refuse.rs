//! What a user's configuration must not hold: it is not trusted with the node or with us
//! (contract, "A user's configuration is not to be trusted with the node").
//!
//! Pure. `@@x_include` runs a program even under `--config-check`, an `@@include` of any file comes
//! back in AIDE's error text, and a database or report may be written anywhere. The checks look at
//! the text, not at what AIDE would make of it: a line that AIDE would refuse as well may be refused
//! here first.

use super::budget::{Budget, Diagnostics};
use super::configuration::Configuration;
use super::diagnostic::Diagnostic;
use super::line::{Directive, Line, Statement};
use super::macros::{Macros, Readings, split_definition};
use super::paths::{Paths, leaves};

/// Everything in the user's text that is refused. `relocated` is the same text after conversion:
/// its macros are the ones that count.
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
        macros.pass(converted);
    }
    refused
}

type Reason = (String, &'static str);

/// An include, wherever it stands on the line: AIDE's scanner leaves more than one way to come back
/// to where it takes directives.
fn included(line: &Line) -> Option<Reason> {
    if *line.statement() == Statement::Comment {
        return None;
    }
    let name = ["@@x_include_setenv", "@@x_include", "@@include"]
        .into_iter()
        .find(|name| line.text().contains(name))?;
    Some((
        format!("{name} is not allowed: it reads or runs other files"),
        "put the lines themselves into the configuration",
    ))
}

/// AIDE, written in C, would read another line than we do.
fn nul(line: &Line) -> Option<Reason> {
    line.text()
        .contains('\0')
        .then(|| ("the line holds a NUL byte".to_owned(), "remove it"))
}

/// A macro made of macros, again and again, takes all memory there is.
fn endless(line: &Line, macros: &Macros) -> Option<Reason> {
    let Some((Directive::Define, argument)) = line.directive() else {
        return None;
    };
    let (_, value) = split_definition(argument);
    (macros.read(&argument[value]) == Readings::Unknown).then(|| {
        (
            "the macro has too many or too long values to follow".to_owned(),
            "write the value out",
        )
    })
}

/// A group may take the name of an attribute. This one is what the baseline is verified with.
fn own_digest(line: &Line) -> Option<Reason> {
    match line.statement() {
        Statement::Group { name, .. } if line.get(name) == "sha256" => Some((
            "the group has the name of the digest that verifies the baseline".to_owned(),
            "give the group another name",
        )),
        _ => None,
    }
}

/// A database or report outside the state directory.
fn location(line: &Line, macros: &Macros, paths: &Paths) -> Option<Reason> {
    let (name, value) = line.option()?;
    let database = matches!(
        name,
        "database" | "database_in" | "database_out" | "database_new"
    );
    if !database && name != "report_url" {
        return None;
    }
    let outside = match macros.read(value) {
        Readings::Unknown => true,
        Readings::Known(readings) => readings
            .iter()
            .filter_map(|reading| reading.strip_prefix("file:"))
            .any(|url| !is_allowed(url, paths)),
    };
    outside.then(|| {
        (
            format!("{name} points outside the state directory"),
            "remove the line: database and reports are kept in the state directory",
        )
    })
}

/// Is a `file:` URL's path one that conversion may move into the state directory? It is when it is
/// there already, or when it is where hosts keep AIDE's files: below `/var`, or under a name
/// that says AIDE. Below the host root only the state directory is: whoever writes `/hostroot`
/// knows where they are.
fn is_allowed(url: &str, paths: &Paths) -> bool {
    let file = url_path(url);
    if paths.is_in_state_dir(file) {
        return true;
    }
    let at_home = file == "/dev/null"
        || (file.starts_with("/var/") && !file.starts_with("/var/run/"))
        || file.to_ascii_lowercase().contains("aide");
    // One without a directory in front is AIDE's own by its name: conversion gives it the directory.
    let is_path = file.starts_with('/') || !url.starts_with('/');
    at_home && is_path && !leaves(file) && !paths.is_relocated(file)
}

/// The path of `file:/path`, `file:///path` and `file://host/path` (`parse_url` of AIDE 0.19).
fn url_path(url: &str) -> &str {
    match url.strip_prefix("//") {
        None => url,
        Some(rest) => rest.find('/').map_or(url, |at| &rest[at..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_aides_files() {
        let paths = Paths::new("/hostroot", "/etc/kubernetes");
        for url in [
            "/var/lib/aide/aide.db.gz",
            "///var/log/aide.log",
            "//localhost/var/log/aide.log",
            "/opt/AIDE/db",
            "/etc/kubernetes/aide.db.gz",
            "/hostroot/etc/kubernetes/aide.db.gz",
            "/var/log/integrity.log",
            "/dev/null",
            "aide.db",
            "./aide.db.gz",
        ] {
            assert!(is_allowed(url, &paths), "{url}");
        }
        for url in [
            "/etc/cron.d/x",
            "/hostroot/etc/cron.d/aide",
            "/hostroot/etc/kubernetes/../cron.d/x",
            "/var/lib/aide/../../etc/x",
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "/root/.ssh/authorized_keys",
            "database.db",
            "../aide.db",
            "//host",
            "",
        ] {
            assert!(!is_allowed(url, &paths), "{url}");
        }
    }
}
