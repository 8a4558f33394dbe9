//! With the real kernel, as root.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;
use crate::aide::config::{Configuration, prepare};
use crate::aide::coverage::{Coverage, Extent};

fn marks(root: &TempDir, rules: &str, limit: usize) -> (Marks, Unmarked) {
    let host_root = root.path().to_str().unwrap();
    let effective = prepare(rules, "/etc/kubernetes", host_root).unwrap().effective;
    let reach = Reach::of(&Configuration::parse(&effective));
    let mut marks = Marks::new(root.path().to_owned(), reach, limit).unwrap();
    let unmarked = marks.mark_all().unwrap();
    (marks, unmarked)
}

fn node() -> TempDir {
    let root = TempDir::new().unwrap();
    fs::create_dir_all(root.path().join("etc/ssh/keys")).unwrap();
    fs::create_dir_all(root.path().join("var/log")).unwrap();
    fs::write(root.path().join("etc/file"), "old").unwrap();
    root
}

/// Reads all announcements, does what they require of the marks, and returns what is dirty.
fn dirty(marks: &mut Marks) -> Coverage {
    let mut dirty = Coverage::default();
    loop {
        let announced = marks.read().unwrap();
        if announced.is_empty() {
            return dirty;
        }
        for announcement in announced {
            match announcement {
                Announcement::Dirty(path, extent) => dirty.add(&path, extent),
                Announcement::Appeared { parent, name, path } => {
                    marks.mark_appeared(&parent, &name, &path);
                    dirty.add(&path, Extent::Subtree);
                }
                Announcement::Disappeared { parent, name } => marks.forget(&parent, &name),
                Announcement::Everything => panic!("an overflow"),
            }
        }
    }
}

fn shown(dirty: &Coverage) -> Vec<(String, Extent)> {
    let paths = dirty.iter();
    paths
        .map(|(path, extent)| (String::from_utf8(path.to_vec()).unwrap(), extent))
        .collect()
}

#[test]
fn changes_of_files_are_announced_and_others_are_not() {
    let root = node();
    let (mut marks, unmarked) = marks(&root, "/etc p\n", 100);
    assert_eq!(unmarked, Unmarked::default());
    // The root, /etc, /etc/ssh, /etc/ssh/keys.
    assert_eq!(marks.len(), 4);
    let path = |name: &str| root.path().join(name);
    fs::write(path("var/log/messages"), "x").unwrap();
    assert_eq!(shown(&dirty(&mut marks)), []);
    fs::write(path("etc/file"), "new").unwrap();
    assert_eq!(shown(&dirty(&mut marks)), [("/etc/file".to_owned(), Extent::Own)]);
    fs::set_permissions(path("etc/ssh"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(shown(&dirty(&mut marks)), [("/etc/ssh".to_owned(), Extent::Own)]);
    fs::rename(path("etc/file"), path("etc/ssh/keys/file")).unwrap();
    let expected = ["/etc", "/etc/file", "/etc/ssh/keys", "/etc/ssh/keys/file"];
    let seen = shown(&dirty(&mut marks));
    assert_eq!(seen, expected.map(|path| (path.to_owned(), Extent::Own)));
    symlink("file", path("etc/link")).unwrap();
    assert!(dirty(&mut marks).contains(b"/etc/link"));
}

#[test]
fn new_and_moved_directories_are_marked() {
    let root = node();
    let (mut marks, _) = marks(&root, "/etc p\n", 100);
    let path = |name: &str| root.path().join(name);
    fs::create_dir_all(path("etc/a/b/c")).unwrap();
    fs::write(path("etc/a/b/c/file"), "x").unwrap();
    assert!(dirty(&mut marks).contains(b"/etc/a/b/c/file"));
    fs::write(path("etc/a/b/c/later"), "x").unwrap();
    assert!(dirty(&mut marks).contains(b"/etc/a/b/c/later"));
    fs::rename(path("etc/a"), path("etc/ssh/moved")).unwrap();
    let moved = dirty(&mut marks);
    assert!(moved.contains(b"/etc/a/b/c/file") && moved.contains(b"/etc/ssh/moved/b/c/file"));
    fs::write(path("etc/ssh/moved/b/c/file"), "y").unwrap();
    let seen = shown(&dirty(&mut marks));
    assert_eq!(seen, [("/etc/ssh/moved/b/c/file".to_owned(), Extent::Own)]);
    fs::rename(path("etc/ssh/moved"), path("var/outside")).unwrap();
    assert!(dirty(&mut marks).contains(b"/etc/ssh/moved/b/c/file"));
    fs::write(path("var/outside/b/c/file"), "z").unwrap();
    assert_eq!(shown(&dirty(&mut marks)), []);
    fs::remove_dir_all(path("etc/ssh")).unwrap();
    assert!(dirty(&mut marks).contains(b"/etc/ssh/keys"));
}

#[test]
fn directories_beyond_the_limit_are_counted() {
    let root = node();
    let (mut marks, unmarked) = marks(&root, "/etc p\n", 2);
    assert_eq!((marks.len(), unmarked.beyond_limit, unmarked.refused), (2, 1, 0));
    fs::write(root.path().join("etc/file"), "new").unwrap();
    assert!(dirty(&mut marks).contains(b"/etc/file"));
}
