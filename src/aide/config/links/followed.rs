//! A configuration in which links were followed, and how its rules were redirected. Pure.

/// A rule that watches nothing, because its path contains a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unwatched {
    /// The line of the configuration, starting with 1.
    pub line: usize,
    /// The path of the link on the node.
    pub link: String,
    /// Why the target of the link is not watched.
    pub reason: String,
}

/// A rule whose path contains a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirected {
    /// The line of the user's rule, starting with 1.
    pub line: usize,
    /// The path of the link on the node.
    pub link: String,
    /// The literal prefix of the rule's path with the link resolved.
    pub real: String,
    /// The rule's attribute expression, or an empty string.
    pub attributes: String,
    /// Whether a rule for the real path was added.
    pub is_added: bool,
}

/// A configuration for one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    /// The text with the additional rules.
    pub text: String,
    /// Whether any rule was redirected.
    pub is_changed: bool,
    /// For each line of [`Self::text`], the line of the user's text that it comes from, starting with 1.
    pub(super) lines: Vec<usize>,
    /// The selecting rules whose paths contain links.
    pub redirected: Vec<Redirected>,
    /// The rules that watch nothing.
    pub unwatched: Vec<Unwatched>,
}

impl Followed {
    /// A configuration without additional rules.
    pub(crate) fn unchanged(text: String) -> Self {
        Self {
            text,
            is_changed: false,
            lines: Vec::new(),
            redirected: Vec::new(),
            unwatched: Vec::new(),
        }
    }

    /// The line of the user's configuration for a line of [`Self::text`], both starting with 1.
    pub(crate) fn users_line(&self, line: usize) -> usize {
        let known = line.checked_sub(1).and_then(|index| self.lines.get(index));
        known.copied().unwrap_or(line)
    }
}
