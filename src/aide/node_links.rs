//! Resolves symbolic links of a node. I/O: reads links and metadata, but opens no files.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::config::Place;

/// Maximum number of links that are followed in a path, as in the kernel (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// File systems of the kernel. They are endless and change constantly.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Resolves an absolute path of the node whose root is at `host_root`. The targets of links are resolved below
/// `host_root`, too.
pub(crate) fn resolve(host_root: &Path, path: &str) -> Place {
    Walk::new(host_root, path).run()
}

/// The state of resolving a path.
struct Walk<'a> {
    host_root: &'a Path,
    requested: &'a str,
    /// The remaining components, the next one last.
    pending: Vec<OsString>,
    /// The real path on the node so far.
    real: PathBuf,
    links: usize,
    first: Option<PathBuf>,
    /// The real path with the last component of the requested path, if that is a link.
    last: Option<PathBuf>,
}

impl<'a> Walk<'a> {
    fn new(host_root: &'a Path, path: &'a str) -> Self {
        let names = path.split('/').filter(|name| !name.is_empty());
        Self {
            host_root,
            requested: path,
            pending: names.rev().map(OsString::from).collect(),
            real: PathBuf::from("/"),
            links: 0,
            first: None,
            last: None,
        }
    }

    fn run(mut self) -> Place {
        while let Some(name) = self.pending.pop() {
            if name == ".." {
                self.real.pop();
                continue;
            }
            let path = self.real.join(&name);
            match fs::symlink_metadata(self.on_host(&path)) {
                Err(error) if is_missing(&error) => return self.end_at_missing(&path),
                Err(error) => {
                    self.first.get_or_insert_with(|| path.clone());
                    return self.refused(format!("cannot be read: {error}"));
                }
                Ok(found) if !found.is_symlink() => self.real = path,
                Ok(found) => {
                    if let Err(reason) = self.follow(&path, found.uid()) {
                        return self.refused(reason);
                    }
                }
            }
        }
        self.end()
    }

    /// Continues with the target of a link.
    fn follow(&mut self, link: &Path, owner: u32) -> Result<(), String> {
        self.links += 1;
        if self.last.is_none() && self.pending.is_empty() {
            self.last = Some(link.to_owned());
        }
        self.first.get_or_insert_with(|| link.to_owned());
        if owner != 0 {
            // The owner could make AIDE read any file on the node, and change this at any time.
            return Err(format!(
                "is a symbolic link that user {owner} can change; only links of root are followed"
            ));
        }
        if self.links > MAX_LINKS {
            return Err("leads to a loop of symbolic links".to_owned());
        }
        let target = fs::read_link(self.on_host(link))
            .map_err(|error| format!("is a symbolic link that cannot be read: {error}"))?;
        if target.is_absolute() {
            self.real = PathBuf::from("/");
        }
        let names = target.iter().filter(|name| *name != OsStr::new("/"));
        let names = names.filter(|name| *name != OsStr::new("."));
        self.pending.extend(names.rev().map(OsStr::to_owned));
        Ok(())
    }

    fn end_at_missing(mut self, path: &Path) -> Place {
        path.clone_into(&mut self.real);
        while let Some(name) = self.pending.pop() {
            if name == ".." {
                self.real.pop();
            } else {
                self.real.push(name);
            }
        }
        self.end()
    }

    fn end(self) -> Place {
        let Some(first) = &self.first else {
            return Place::Same;
        };
        // A link to a file, or to nothing, is an entry in the database itself.
        let (real, is_link) = match &self.last {
            Some(last) if !self.on_host(&self.real).is_dir() => (last, false),
            last => (&self.real, last.is_some()),
        };
        if real == Path::new(self.requested) {
            return Place::Same;
        }
        if real == Path::new("/") || KERNEL.iter().any(|kernel| real.starts_with(kernel)) {
            let reason = format!("leads to {}, which is not watched", real.display());
            return self.refused(reason);
        }
        let name = real.to_str();
        let Some(name) = name.filter(|name| !name.contains(char::is_control)) else {
            let reason = format!("leads to {}, a name that rules cannot contain", shown(real));
            return self.refused(reason);
        };
        Place::Behind {
            link: shown(first),
            real: name.to_owned(),
            is_link,
        }
    }

    fn refused(&self, reason: String) -> Place {
        Place::Refused {
            link: self.first.as_deref().map(shown).unwrap_or_default(),
            reason,
        }
    }

    fn on_host(&self, path: &Path) -> PathBuf {
        self.host_root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// Whether the path does not exist.
fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

/// A path for messages.
fn shown(path: &Path) -> String {
    super::report::display_path(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests;
