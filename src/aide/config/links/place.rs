//! Where a path of the node really is. Pure.

/// The result of resolving the symbolic links in a path of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The path contains no link, or does not exist.
    Same,
    /// The path contains a link.
    Behind {
        /// The first link in the path, such as `/root`.
        link: String,
        /// The real path, such as `/var/roothome/.ssh`.
        real: String,
        /// Whether the last component of the path is a link to a directory. It was followed.
        is_link: bool,
    },
    /// The path contains a link that is not followed.
    Refused {
        /// The path of the link.
        link: String,
        /// The reason. Completes a sentence that begins with the link.
        reason: String,
    },
}

/// Resolves the literal prefix of an expression. Its last component may be incomplete, so it is only followed
/// if a link has exactly that name. Also returns the expression that must follow the real path.
pub(super) fn real_place(
    path: &str,
    resolve: &mut dyn FnMut(&str) -> Place,
) -> (Place, &'static str) {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_name = !matches!(name, "" | "." | "..");
    let mut place = resolve(if is_name { path } else { directory });
    // Paths that continue after the name of a link to a directory are in that directory: `/root.*` does
    // not mean `/var/roothome2`.
    let mut end = "";
    if let Place::Behind { real, is_link, .. } = &mut place {
        if !is_name {
            real.extend(["/", name]);
        } else if *is_link {
            end = "(?=/|$)";
        }
    }
    (place, end)
}
