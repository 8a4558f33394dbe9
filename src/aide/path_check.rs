//! `--path-check` of AIDE: whether a path is watched, and by which rule. Pure.

/// The result for one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whether the path is watched.
    pub watched: bool,
    /// The kind of rule in the terms of AIDE, such as `selective rule`.
    pub kind: Option<String>,
    /// The line of the rule in the configuration, starting with 1.
    pub line: Option<usize>,
    /// The attributes in the terms of AIDE: `p+u+sha256`.
    pub attributes: Option<String>,
}

/// AIDE's argument for a path of the node, such as `/etc/passwd` or `d:/etc`: below the host root and without
/// trailing slash. A path with a trailing slash is a directory. `None` if the path is not absolute or
/// contains `..`.
pub(crate) fn argument(path: &str, host_root: &str) -> Option<String> {
    let (kind, path) = match path.split_once(':') {
        Some((kind, rest)) if kind.len() == 1 => (Some(kind), rest),
        _ => (None, path),
    };
    let names: Vec<&str> = path
        .split('/')
        .filter(|name| !name.is_empty() && *name != ".")
        .collect();
    if !path.starts_with('/') || names.contains(&"..") {
        return None;
    }
    let by_name = if path.ends_with('/') { "d" } else { "f" };
    let kind = kind.unwrap_or(by_name);
    let slash = if names.is_empty() { "" } else { "/" };
    Some(format!("{kind}:{host_root}{slash}{}", names.join("/")))
}

/// Parses the output of AIDE 0.19:
/// `[x] f:/etc/passwd: selective rule: '/etc (none) p+u+sha256' (FILE:2: '/etc P+sha256')`, or
/// `[ ] f:/usr: no matching rule`. Removes `host_root` from paths.
pub(crate) fn parse(stdout: &str, config_file: &str, host_root: &str) -> Option<Answer> {
    let line = stdout.lines().find(|line| line.starts_with('['))?;
    let watched = line.starts_with("[x]");
    let Some((before, rule)) = line.split_once(": '") else {
        return Some(Answer {
            watched,
            kind: None,
            line: None,
            attributes: None,
        });
    };
    let kind = before.rsplit(": ").next();
    let kind = kind.map(|kind| kind_on_node(kind, host_root));
    let (rule, place) = rule.split_once("' (").unwrap_or((rule, ""));
    let number = place
        .strip_prefix(config_file)
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|rest| rest.split(':').next())
        .and_then(|number| number.parse().ok());
    let attributes = rule
        .rsplit(' ')
        .next()
        .filter(|_| watched)
        .map(str::to_owned);
    Some(Answer {
        watched,
        kind,
        line: number,
        attributes,
    })
}

/// Converts `parent directory '/hostroot/etc/x' matches non-recursive negative rule` to the kind of rule followed by
/// the directory on the node.
fn kind_on_node(kind: &str, host_root: &str) -> String {
    let parent = kind.strip_prefix("parent directory '");
    let Some((directory, rule)) = parent.and_then(|parent| parent.split_once("' matches ")) else {
        return kind.to_owned();
    };
    let directory = match directory.strip_prefix(host_root) {
        Some("") => "/",
        Some(directory) => directory,
        None => directory,
    };
    format!("{rule} for the parent directory '{directory}'")
}

#[cfg(test)]
mod tests;
