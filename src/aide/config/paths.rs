//! The host root and the state directory, with the escapes of an `aide.conf`. Pure.

/// The paths as the daemon sees them.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    host_root: String,
    rule_prefix: String,
    state_dir: String,
    state_dir_escaped: String,
}

/// Special characters of PCRE.
const REGEX_SPECIAL: &str = r"\.^$*+?()[]{}|";

impl Paths {
    /// `host_root` is for example `/hostroot`, `state_dir` the path on the node, for example `/etc/kubernetes`.
    pub(super) fn new(host_root: &str, state_dir: &str) -> Self {
        let host_root = host_root.trim_end_matches('/');
        let state_dir = format!("{host_root}/{}", state_dir.trim_matches('/'));
        Self {
            rule_prefix: escape_rule(host_root),
            state_dir_escaped: escape(&state_dir),
            host_root: host_root.to_owned(),
            state_dir,
        }
    }

    /// The host root, not escaped.
    pub(super) fn host_root(&self) -> &str {
        &self.host_root
    }

    /// The host root as the start of the regular expression of a rule.
    pub(super) fn rule_prefix(&self) -> &str {
        &self.rule_prefix
    }

    /// The state directory below the host root, not escaped.
    pub(super) fn state_dir(&self) -> &str {
        &self.state_dir
    }

    /// The state directory below the host root, as the value of an option or macro.
    pub(super) fn state_dir_escaped(&self) -> &str {
        &self.state_dir_escaped
    }

    /// Whether a path, or the regular expression of a rule, starts with the host root: `/hostroot$` and
    /// `/hostroot(/etc|/usr)`, but not `/hostroot2`.
    pub(super) fn is_relocated(&self, path: &str) -> bool {
        [self.rule_prefix.as_str(), self.host_root.as_str()]
            .iter()
            .any(|root| {
                path.strip_prefix(root).is_some_and(|rest| {
                    rest.is_empty()
                        || rest.starts_with(['/', '$', '(', '['])
                        || rest.starts_with("@@{")
                })
            })
    }

    /// Whether a file is in the state directory, by its path on the node or below the host root.
    pub(super) fn is_in_state_dir(&self, file: &str) -> bool {
        let on_node = self
            .state_dir
            .strip_prefix(&self.host_root)
            .unwrap_or(&self.state_dir);
        [self.state_dir.as_str(), on_node].iter().any(|directory| {
            file.strip_prefix(directory)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| !rest.is_empty() && !has_parent_dir(rest))
        })
    }
}

/// Whether a path contains `..`.
pub(super) fn has_parent_dir(path: &str) -> bool {
    path.split('/').any(|component| component == "..")
}

/// Escapes special characters of strings (aide.conf(5), "FILE FORMAT": `\` before blank, `@` and `\`).
pub(super) fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        if matches!(c, ' ' | '@' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

/// A regular expression that matches only this path.
pub(super) fn escape_regex(path: &str) -> String {
    path.chars().fold(String::new(), |mut regex, c| {
        if REGEX_SPECIAL.contains(c) {
            regex.push('\\');
        }
        regex.push(c);
        regex
    })
}

/// The regular expression of a rule that matches only this path, escaped for the configuration.
pub(super) fn escape_rule(path: &str) -> String {
    // AIDE's scanner keeps a backslash before a punctuation mark. Only `\\` and the special characters of strings need a
    // second escape.
    escape_regex(path)
        .replace("\\\\", "\\\\\\\\")
        .replace('@', "\\@")
        .replace(' ', "\\ ")
}

#[cfg(test)]
mod tests;
