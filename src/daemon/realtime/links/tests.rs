//! With real files, as root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::aide::config::prepare;
use crate::daemon::realtime::dirty_paths::DirtyPaths;
use crate::testing::mount_namespace::{self, FILE_SYSTEMS, MOUNT_ALL};

const BACKENDS: [Preference; 2] = [Preference::Auto, Preference::Inotify];

/// A node whose files below `/etc` are watched.
struct Node {
    root: PathBuf,
    thread: Thread,
    links: Links,
}

impl Node {
    fn new(root: &Path, backend: Preference) -> Self {
        for directory in ["etc/a", "etc/b", "outside"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let host_root = root.to_str().unwrap().to_owned();
        let effective = prepare("/etc R\n", "/etc/kubernetes", &host_root).unwrap();
        let (notices, _unread) = tokio::sync::mpsc::unbounded_channel();
        let dirty = DirtyPaths::new(Duration::ZERO, host_root);
        let shared = Arc::new(Shared::new(dirty, Instant::now(), notices));
        let (requests, inbox) = mpsc::channel();
        let wake = Arc::new(Wake::new().unwrap());
        let pending = Arc::new(Mutex::new(Scope::default()));
        let mut thread = Thread {
            host_root: root.to_owned(),
            preference: backend,
            shared,
            inbox,
            wake: Arc::clone(&wake),
            pending: Arc::clone(&pending),
            tree: Some(Tree::new(root.to_owned(), &effective.effective)),
            index: LinkIndex::default(),
            marks: FileMarks::new(backend),
            paused_until: Instant::now(),
        };
        thread.read_all();
        let links = Links {
            requests,
            wake,
            pending,
        };
        Self {
            root: root.to_owned(),
            thread,
            links,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn link(&self, from: &str, to: &str) {
        fs::hard_link(self.path(from), self.path(to)).unwrap();
    }

    /// The other names that are announced after these.
    fn announced(&mut self, paths: &[(&str, Extent)]) -> Vec<String> {
        for (path, extent) in paths {
            self.links.announce(path.as_bytes(), *extent);
        }
        self.thread.resolve();
        let scope = lock(&self.thread.shared.dirty).take();
        let Scope::Part(part) = scope.unwrap_or_default() else {
            panic!("everything is announced");
        };
        part.iter()
            .map(|(path, _)| String::from_utf8(path.to_vec()).unwrap())
            .collect()
    }

    fn own(&mut self, path: &str) -> Vec<String> {
        self.announced(&[(path, Extent::Own)])
    }
}

fn with_each_backend(test: impl Fn(&Path, Preference)) {
    for backend in BACKENDS {
        let root = TempDir::new().unwrap();
        test(root.path(), backend);
    }
}

const A_AND_B: [&str; 2] = ["/etc/a/f", "/etc/b/f"];

#[test]
fn names_that_existed_before_are_known() {
    with_each_backend(|root, backend| {
        fs::create_dir_all(root.join("etc/a")).unwrap();
        fs::create_dir_all(root.join("etc/b")).unwrap();
        fs::write(root.join("etc/a/f"), "").unwrap();
        fs::write(root.join("etc/a/other"), "").unwrap();
        fs::hard_link(root.join("etc/a/f"), root.join("etc/b/f")).unwrap();
        let mut node = Node::new(root, backend);
        assert_eq!(node.own("/etc/a/other"), [""; 0]);
        assert_eq!(node.own("/etc/a/f"), A_AND_B);
        assert_eq!(node.own("/etc/a/missing"), [""; 0]);
        // A directory in which a name is, and one that was moved away.
        assert_eq!(node.announced(&[("/etc/b", Extent::Entries)]), A_AND_B);
        fs::rename(node.path("etc/b"), node.path("moved")).unwrap();
        assert_eq!(node.announced(&[("/etc/b", Extent::Subtree)]), A_AND_B);
        // Its link outside is watched.
        fs::write(node.path("moved/f"), "new").unwrap();
        assert_eq!(node.announced(&[]), ["/etc/a/f"]);
    });
}

#[test]
fn a_first_link_is_searched_for() {
    with_each_backend(|root, backend| {
        let mut node = Node::new(root, backend);
        fs::write(node.path("etc/a/f"), "").unwrap();
        assert_eq!(node.own("/etc/a/f"), [""; 0]);
        node.link("etc/a/f", "etc/b/f");
        assert_eq!(node.own("/etc/b/f"), A_AND_B);
        // A symbolic link is a file, too.
        symlink("x", node.path("etc/a/s")).unwrap();
        node.link("etc/a/s", "etc/b/s");
        assert_eq!(node.own("/etc/b/s"), ["/etc/a/s", "/etc/b/s"]);
    });
}

#[test]
fn a_removed_name_is_announced_for_the_others() {
    with_each_backend(|root, backend| {
        let mut node = Node::new(root, backend);
        fs::write(node.path("etc/a/f"), "").unwrap();
        node.link("etc/a/f", "etc/b/f");
        node.own("/etc/b/f");
        fs::remove_file(node.path("etc/b/f")).unwrap();
        assert_eq!(node.own("/etc/b/f"), A_AND_B);
        // The file has one name now, and is not watched any more.
        assert_eq!(node.thread.index.inodes().count(), 0);
        fs::write(node.path("etc/a/f"), "new").unwrap();
        assert_eq!(node.announced(&[]), [""; 0]);
    });
}

#[test]
fn changes_by_a_name_outside_are_announced() {
    with_each_backend(|root, backend| {
        let mut node = Node::new(root, backend);
        fs::write(node.path("outside/f"), "").unwrap();
        node.link("outside/f", "etc/a/f");
        assert_eq!(node.own("/etc/a/f"), [""; 0]);
        for change in [
            |path: &Path| fs::write(path, "new"),
            |path: &Path| fs::rename(path, path.with_extension("renamed")),
            |path: &Path| fs::hard_link(path.with_extension("renamed"), path),
            |path: &Path| fs::remove_file(path),
        ] {
            change(&node.path("outside/f")).unwrap();
            assert_eq!(node.announced(&[]), ["/etc/a/f"]);
        }
        fs::remove_file(node.path("outside/f.renamed")).unwrap();
        assert_eq!(node.announced(&[]), ["/etc/a/f"]);
        assert_eq!(node.thread.index.inodes().count(), 0);
    });
}

#[test]
fn on_each_file_system() {
    let test = "daemon::realtime::links::tests::on_each_file_system";
    let Some(root) = mount_namespace::of_root_test(test, MOUNT_ALL) else {
        return;
    };
    for file_system in FILE_SYSTEMS {
        for backend in BACKENDS {
            let name = format!("{file_system}/{backend:?}").to_lowercase();
            let mut node = Node::new(&root.join(&name), backend);
            fs::write(node.path("etc/a/f"), "").unwrap();
            node.link("etc/a/f", "etc/b/f");
            assert_eq!(node.own("/etc/b/f"), A_AND_B, "{name}");
            node.link("etc/a/f", "outside/f");
            assert_eq!(node.announced(&[]), A_AND_B, "{name}");
            fs::write(node.path("outside/f"), "new").unwrap();
            assert_eq!(node.announced(&[]), A_AND_B, "{name}");
            fs::remove_file(node.path("etc/b/f")).unwrap();
            assert_eq!(node.own("/etc/b/f"), A_AND_B, "{name}");
            assert_eq!(node.thread.marks.len(), 1, "{name}");
            fs::remove_file(node.path("outside/f")).unwrap();
            assert_eq!(node.announced(&[]), ["/etc/a/f"], "{name}");
            assert_eq!(node.thread.marks.len(), 0, "{name}");
        }
    }
}
