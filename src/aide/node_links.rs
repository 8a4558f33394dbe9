//! Finds out which directories of a node are symbolic links. I/O: it reads links and looks at files, and
//! opens none.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::config::Place;

/// Links on one path that are followed, as in the kernel (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// File systems of the kernel. They have no end, and nothing in them stays as it is.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Looks up an absolute path of the node whose root is at `host_root`. What links point to is looked up
/// below `host_root`, too.
pub fn look_up(host_root: &Path, path: &str) -> Place {
    Walk::new(host_root, path).run()
}

/// The way along a path.
struct Walk<'a> {
    host_root: &'a Path,
    asked: &'a str,
    /// What is still to be looked up, the next name last.
    pending: Vec<OsString>,
    /// The real path so far, as the node calls it.
    real: PathBuf,
    links: usize,
    /// The first link.
    first: Option<PathBuf>,
    /// The real path with the last name of the path that was asked for, which is a link.
    last: Option<PathBuf>,
}

impl<'a> Walk<'a> {
    fn new(host_root: &'a Path, path: &'a str) -> Self {
        let names = path.split('/').filter(|name| !name.is_empty());
        Self {
            host_root,
            asked: path,
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
                Err(error) if is_nothing(&error) => return self.end_at_nothing(&path),
                Err(error) => {
                    self.first.get_or_insert_with(|| path.clone());
                    return self.refused(format!("cannot be looked at: {error}"));
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

    /// Goes on where a link points to.
    fn follow(&mut self, link: &Path, owner: u32) -> Result<(), String> {
        self.links += 1;
        if self.last.is_none() && self.pending.is_empty() {
            self.last = Some(link.to_owned());
        }
        self.first.get_or_insert_with(|| link.to_owned());
        if owner != 0 {
            // Its owner could have AIDE read anything on the node, at any time something else.
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

    fn end_at_nothing(mut self, path: &Path) -> Place {
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
        // AIDE records a link to a file, or to nothing, as the link that it is.
        let (real, is_link) = match &self.last {
            Some(last) if !self.on_host(&self.real).is_dir() => (last, false),
            last => (&self.real, last.is_some()),
        };
        if real == Path::new(self.asked) {
            return Place::Same;
        }
        if real == Path::new("/") || KERNEL.iter().any(|kernel| real.starts_with(kernel)) {
            let reason = format!("leads to {}, which is not watched", real.display());
            return self.refused(reason);
        }
        let name = real.to_str();
        let Some(name) = name.filter(|name| !name.contains(char::is_control)) else {
            let reason = format!("leads to {}, a name that no rule can hold", shown(real));
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

/// Whether the error says that nothing is there.
fn is_nothing(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

/// A path for people.
fn shown(path: &Path) -> String {
    super::report::display_path(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    /// A node laid out as Fedora `CoreOS` is.
    fn node() -> tempfile::TempDir {
        let node = tempfile::tempdir().unwrap();
        let at = |path: &str| node.path().join(path);
        for directory in [
            "var/roothome/.ssh",
            "var/usrlocal/bin",
            "usr/sbin",
            "etc",
            "proc/1",
        ] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(at("usr/sbin/auditctl"), "").unwrap();
        for (target, link) in [
            ("var/roothome", "root"),
            ("usr/sbin", "sbin"),
            ("../var/usrlocal", "usr/local"),
            ("/usr/local/bin", "etc/tools"),
            ("../usr/sbin/auditctl", "etc/file"),
            ("nowhere", "gone"),
            ("loop", "loop"),
            ("/", "all"),
            ("/proc/1", "one"),
            ("../../../../var", "up"),
            ("var/roothome", "of-a-user"),
            ("etc/file", "to-file"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        lchown(at("of-a-user"), Some(1000), Some(1000)).unwrap();
        node
    }

    #[test]
    fn links_lead_to_real_places_of_the_node() {
        let node = node();
        let behind = |link: &str, real: &str, is_link| Place::Behind {
            link: link.to_owned(),
            real: real.to_owned(),
            is_link,
        };
        for (path, expected) in [
            ("/", Place::Same),
            ("/etc/passwd", Place::Same),
            ("/nothing/at/all", Place::Same),
            // A link to a file is an entry of its own.
            ("/etc/file", Place::Same),
            ("/gone", Place::Same),
            ("/root", behind("/root", "/var/roothome", true)),
            ("/root/.ssh", behind("/root", "/var/roothome/.ssh", false)),
            ("/root/new", behind("/root", "/var/roothome/new", false)),
            (
                "/sbin/auditctl",
                behind("/sbin", "/usr/sbin/auditctl", false),
            ),
            (
                "/usr/local/bin",
                behind("/usr/local", "/var/usrlocal/bin", false),
            ),
            (
                "/etc/tools/a",
                behind("/etc/tools", "/var/usrlocal/bin/a", false),
            ),
            ("/up/roothome", behind("/up", "/var/roothome", false)),
            ("/gone/a", behind("/gone", "/nowhere/a", false)),
            ("/to-file", Place::Same),
        ] {
            assert_eq!(look_up(node.path(), path), expected, "{path}");
        }
    }

    #[test]
    fn some_links_are_not_followed() {
        let node = node();
        for (path, link, reason) in [
            ("/loop/a", "/loop", "leads to a loop of symbolic links"),
            ("/all", "/all", "leads to /, which is not watched"),
            ("/one/a", "/one", "leads to /proc/1/a, which is not watched"),
            (
                "/of-a-user/a",
                "/of-a-user",
                "is a symbolic link that user 1000 can change; only links of root are followed",
            ),
        ] {
            let expected = Place::Refused {
                link: link.to_owned(),
                reason: reason.to_owned(),
            };
            assert_eq!(look_up(node.path(), path), expected, "{path}");
        }
    }

    #[test]
    fn a_name_that_no_rule_can_hold() {
        let node = node();
        fs::create_dir(node.path().join("a\nb")).unwrap();
        symlink("a\nb", node.path().join("c")).unwrap();
        let expected = Place::Refused {
            link: "/c".to_owned(),
            reason: "leads to /a\\012b/d, a name that no rule can hold".to_owned(),
        };
        assert_eq!(look_up(node.path(), "/c/d"), expected);
    }
}
