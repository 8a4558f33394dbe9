//! With the real kernel, as root, on several file systems.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use rustix::fs::{CWD, Mode, OFlags, XattrFlags, openat};
use tempfile::TempDir;

use super::*;
use crate::aide::config::{Configuration, prepare};
use crate::aide::coverage::Coverage;
use crate::aide::profiles::Profile;
use crate::api::realtime::RealtimeReason;
use crate::testing::mount_namespace::{self, FILE_SYSTEMS, MOUNT_ALL};

const BACKENDS: [Preference; 2] = [Preference::Auto, Preference::Inotify];

/// A node with its marks.
struct Node {
    root: PathBuf,
    marks: Marks,
    unmarked: Unmarked,
}

impl Node {
    fn new(root: &Path, rules: &str, limit: usize, preference: Preference) -> Self {
        fs::create_dir_all(root.join("etc/ssh/keys")).unwrap();
        fs::create_dir_all(root.join("var/log")).unwrap();
        fs::write(root.join("etc/file"), "old").unwrap();
        Self::of_existing(root, rules, limit, preference)
    }

    fn of_existing(root: &Path, rules: &str, limit: usize, preference: Preference) -> Self {
        let host_root = root.to_str().unwrap();
        let effective = prepare(rules, "/etc/kubernetes", host_root)
            .unwrap()
            .effective;
        let reach = Reach::of(&Configuration::parse(&effective));
        let mut marks = Marks::open(root.to_owned(), reach, limit, preference).unwrap();
        let unmarked = marks.mark_all().unwrap();
        let expected = match preference {
            Preference::Auto => RealtimeBackend::Fanotify,
            Preference::Inotify => RealtimeBackend::Inotify,
        };
        if marks.fallback().is_none() {
            assert_eq!(marks.backend(), expected);
        }
        Self {
            root: root.to_owned(),
            marks,
            unmarked,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Reads all announcements, does what they require of the marks, and returns what is dirty.
    fn dirty(&mut self) -> Coverage {
        let mut dirty = Coverage::default();
        loop {
            let announced = self.marks.read().unwrap();
            if announced.is_empty() {
                return dirty;
            }
            for Announced { announcement, .. } in announced {
                match announcement {
                    Announcement::Dirty(path, extent) => dirty.add(&path, extent),
                    Announcement::Appeared { parent, name, path } => {
                        let unmarked = self.marks.mark_appeared(&parent, &name, &path);
                        assert_eq!(unmarked, Unmarked::default());
                        dirty.add(&path, Extent::Subtree);
                    }
                    Announcement::Disappeared { parent, name } => {
                        self.marks.forget(&parent, &name);
                    }
                    Announcement::Everything => panic!("an overflow"),
                    Announcement::Execution(_) => panic!("an execution"),
                }
            }
        }
    }

    /// What is dirty, each only by itself.
    fn dirty_paths(&mut self) -> Vec<String> {
        let dirty = self.dirty();
        let paths = dirty.iter();
        paths
            .map(|(path, extent)| {
                let path = String::from_utf8(path.to_vec()).unwrap();
                assert_eq!(extent, Extent::Own, "{path}");
                path
            })
            .collect()
    }

    /// Number of marks and watches in the kernel.
    fn in_kernel(&self) -> usize {
        let descriptors = self.marks.descriptors();
        let infos = descriptors.map(|descriptor| {
            let info = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
            fs::read_to_string(info).unwrap()
        });
        let is_mark =
            |line: &&str| line.starts_with("inotify wd:") || line.starts_with("fanotify ino:");
        infos.map(|info| info.lines().filter(is_mark).count()).sum()
    }
}

/// Runs a test with each backend, on the file system of temporary files and in memory.
fn with_each(rules: &str, limit: usize, test: impl Fn(&mut Node)) {
    for preference in BACKENDS {
        for root in [TempDir::new(), TempDir::new_in("/dev/shm")] {
            let root = root.unwrap();
            test(&mut Node::new(root.path(), rules, limit, preference));
        }
    }
}

type Change = (&'static str, fn(&Path), &'static [&'static str]);

/// Changes in `/etc` that are announced, with the dirty paths.
const CHANGES: [Change; 17] = [
    (
        "create",
        |etc| fs::write(etc.join("new"), "").unwrap(),
        &["/etc", "/etc/new"],
    ),
    (
        "write",
        |etc| fs::write(etc.join("file"), "new").unwrap(),
        &["/etc/file"],
    ),
    (
        "append, and stay open",
        |etc| {
            let mut file = File::options().append(true).open(etc.join("file")).unwrap();
            file.write_all(b"more").unwrap();
            // The close has no event.
            std::mem::forget(file);
        },
        &["/etc/file"],
    ),
    (
        "truncate",
        |etc| {
            let file = File::options().write(true).open(etc.join("file")).unwrap();
            file.set_len(1).unwrap();
        },
        &["/etc/file"],
    ),
    (
        "chmod",
        |etc| fs::set_permissions(etc.join("file"), fs::Permissions::from_mode(0o600)).unwrap(),
        &["/etc/file"],
    ),
    (
        "chmod of a directory",
        |etc| fs::set_permissions(etc.join("ssh"), fs::Permissions::from_mode(0o700)).unwrap(),
        &["/etc/ssh"],
    ),
    (
        "chown",
        |etc| chown(etc.join("file"), Some(1), Some(1)).unwrap(),
        &["/etc/file"],
    ),
    (
        "utimes",
        |etc| {
            let file = File::open(etc.join("file")).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        },
        &["/etc/file"],
    ),
    (
        "extended attribute",
        |etc| {
            let name = "trusted.fio";
            rustix::fs::setxattr(etc.join("file"), name, b"x", XattrFlags::empty()).unwrap();
        },
        &["/etc/file"],
    ),
    (
        "symbolic link",
        |etc| symlink("file", etc.join("link")).unwrap(),
        &["/etc", "/etc/link"],
    ),
    (
        "hard link",
        |etc| fs::hard_link(etc.join("file"), etc.join("hard")).unwrap(),
        &["/etc", "/etc/hard"],
    ),
    (
        "named pipe",
        |etc| {
            let mode = Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(CWD, etc.join("pipe"), FileType::Fifo, mode, 0).unwrap();
        },
        &["/etc", "/etc/pipe"],
    ),
    (
        "file without a name that gets one",
        |etc| {
            let mode = Mode::from_raw_mode(0o600);
            let flags = OFlags::TMPFILE | OFlags::WRONLY;
            let file = openat(CWD, etc, flags, mode).unwrap();
            let name = format!("/proc/self/fd/{}", file.as_raw_fd());
            let flags = rustix::fs::AtFlags::SYMLINK_FOLLOW;
            rustix::fs::linkat(CWD, name, CWD, etc.join("named"), flags).unwrap();
        },
        &["/etc", "/etc/named"],
    ),
    (
        "rename",
        |etc| fs::rename(etc.join("new"), etc.join("ssh/keys/new")).unwrap(),
        &["/etc", "/etc/new", "/etc/ssh/keys", "/etc/ssh/keys/new"],
    ),
    (
        "rename over another",
        |etc| fs::rename(etc.join("link"), etc.join("file")).unwrap(),
        &["/etc", "/etc/file", "/etc/link"],
    ),
    (
        "delete",
        |etc| fs::remove_file(etc.join("hard")).unwrap(),
        &["/etc", "/etc/hard"],
    ),
    (
        "chmod of the root",
        |etc| {
            let root = etc.parent().unwrap();
            fs::set_permissions(root, fs::Permissions::from_mode(0o700)).unwrap();
        },
        &["/"],
    ),
];

/// Makes each change at a path, and compares what the node announces.
fn check_changes(node: &mut Node, through: &Path, file_system: &str) {
    for (name, change, expected) in CHANGES {
        change(&through.join("etc"));
        let mut dirty = node.dirty_paths();
        // What the kernel calls a file without a name.
        dirty.retain(|path| !path.starts_with("/etc/#"));
        assert_eq!(dirty, expected, "{name} on {file_system}");
        fs::write(through.join("var/log/messages"), name).unwrap();
        assert_eq!(node.dirty_paths(), [""; 0], "after {name} on {file_system}");
    }
}

#[test]
fn each_kind_of_change_is_announced_on_each_file_system() {
    let test =
        "daemon::realtime::marks::tests::each_kind_of_change_is_announced_on_each_file_system";
    let Some(root) = mount_namespace::of_root_test(test, MOUNT_ALL) else {
        return;
    };
    for file_system in FILE_SYSTEMS {
        for preference in BACKENDS {
            let name = format!("{file_system}/{preference:?}").to_lowercase();
            let mut node = Node::new(&root.join(&name), "/etc p\n", 100, preference);
            assert_eq!(node.unmarked, Unmarked::default(), "{name}");
            // The root, /etc, /etc/ssh, /etc/ssh/keys.
            assert_eq!((node.marks.len(), node.in_kernel()), (4, 4), "{name}");
            // By another mount of the same file system.
            let through = root.join("aliases").join(&name);
            check_changes(&mut node, &through, &name);
        }
    }
}

#[test]
fn files_that_were_opened_before_are_watched() {
    for preference in BACKENDS {
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let mut file = File::create(root.path().join("etc/open")).unwrap();
        let mut node = Node::new(root.path(), "/etc p\n", 100, preference);
        file.write_all(b"x").unwrap();
        assert_eq!(node.dirty_paths(), ["/etc/open"]);
    }
}

#[test]
fn new_and_moved_directories_are_marked() {
    with_each("/etc p\n", 100, |node| {
        fs::create_dir_all(node.path("etc/a/b/c")).unwrap();
        fs::write(node.path("etc/a/b/c/file"), "x").unwrap();
        assert!(node.dirty().contains(b"/etc/a/b/c/file"));
        fs::write(node.path("etc/a/b/c/later"), "x").unwrap();
        assert!(node.dirty().contains(b"/etc/a/b/c/later"));
        fs::rename(node.path("etc/a"), node.path("etc/ssh/moved")).unwrap();
        let moved = node.dirty();
        assert!(moved.contains(b"/etc/a/b/c/file"));
        assert!(moved.contains(b"/etc/ssh/moved/b/c/file"));
        fs::write(node.path("etc/ssh/moved/b/c/file"), "y").unwrap();
        assert_eq!(node.dirty_paths(), ["/etc/ssh/moved/b/c/file"]);
        fs::rename(node.path("etc/ssh"), node.path("etc/renamed")).unwrap();
        assert!(node.dirty().contains(b"/etc/renamed/moved/b/c/file"));
        fs::write(node.path("etc/renamed/moved/b/c/file"), "z").unwrap();
        assert_eq!(node.dirty_paths(), ["/etc/renamed/moved/b/c/file"]);
        fs::remove_dir_all(node.path("etc/renamed")).unwrap();
        assert!(node.dirty().contains(b"/etc/renamed/keys"));
        assert_eq!((node.marks.len(), node.in_kernel()), (2, 2));
    });
}

#[test]
fn a_directory_that_moves_out_loses_its_marks_until_it_is_back() {
    with_each("/etc p\n", 100, |node| {
        fs::write(node.path("etc/ssh/keys/file"), "x").unwrap();
        fs::rename(node.path("etc/ssh"), node.path("var/out")).unwrap();
        assert!(node.dirty().contains(b"/etc/ssh/keys/file"));
        assert_eq!((node.marks.len(), node.in_kernel()), (2, 2));
        fs::write(node.path("var/out/keys/file"), "y").unwrap();
        assert_eq!(node.dirty_paths(), [""; 0]);
        fs::rename(node.path("var/out"), node.path("etc/back")).unwrap();
        assert!(node.dirty().contains(b"/etc/back/keys/file"));
        assert_eq!((node.marks.len(), node.in_kernel()), (4, 4));
        fs::write(node.path("etc/back/keys/file"), "z").unwrap();
        assert_eq!(node.dirty_paths(), ["/etc/back/keys/file"]);
    });
}

#[test]
fn a_directory_that_is_replaced_while_nobody_reads() {
    with_each("/etc p\n", 100, |node| {
        for _ in 0..3 {
            fs::rename(node.path("etc/ssh"), node.path("etc/other")).unwrap();
            fs::rename(node.path("etc/other"), node.path("var/out")).unwrap();
            fs::create_dir_all(node.path("etc/ssh/keys")).unwrap();
            fs::remove_dir_all(node.path("var/out")).unwrap();
        }
        fs::write(node.path("etc/ssh/keys/file"), "x").unwrap();
        assert!(node.dirty().contains(b"/etc/ssh/keys/file"));
        fs::write(node.path("etc/ssh/keys/file"), "y").unwrap();
        assert_eq!(node.dirty_paths(), ["/etc/ssh/keys/file"]);
        assert_eq!((node.marks.len(), node.in_kernel()), (4, 4));
    });
}

/// Trees that appear and move while the events are read: a file in each is dirty, and is watched afterwards.
#[test]
fn trees_that_appear_while_events_are_read() {
    const TREES: usize = 60;
    with_each("/etc p\n", 1000, |node| {
        let (etc, is_done) = (node.path("etc"), AtomicBool::new(false));
        let mut dirty = Coverage::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for tree in 0..TREES {
                    let at = etc.join(format!("tree-{tree}"));
                    fs::create_dir_all(at.join("a/b/c")).unwrap();
                    fs::write(at.join("a/b/c/file"), "x").unwrap();
                    if tree % 3 == 0 {
                        fs::rename(at.join("a"), at.join("moved")).unwrap();
                        fs::create_dir(at.join("a")).unwrap();
                        fs::rename(at.join("moved/b"), at.join("a/b")).unwrap();
                    }
                }
                is_done.store(true, Ordering::SeqCst);
            });
            while !is_done.load(Ordering::SeqCst) {
                dirty.extend(&node.dirty());
            }
        });
        dirty.extend(&node.dirty());
        for tree in 0..TREES {
            let file = format!("/etc/tree-{tree}/a/b/c/file");
            assert!(dirty.contains(file.as_bytes()), "{file}");
            fs::write(node.path(&file[1..]), "y").unwrap();
            assert_eq!(node.dirty_paths(), [file]);
        }
    });
}

#[test]
fn directories_beyond_the_limit_are_counted() {
    with_each("/etc p\n", 2, |node| {
        let expected = Unmarked {
            beyond_limit: 1,
            first_beyond_limit: Some("/etc/ssh".to_owned()),
            ..Unmarked::default()
        };
        assert_eq!((node.marks.len(), &node.unmarked), (2, &expected));
        fs::write(node.path("etc/file"), "new").unwrap();
        assert_eq!(node.dirty_paths(), ["/etc/file"]);
        // A directory that is marked already is not counted again.
        assert_eq!(node.marks.mark_all().unwrap(), expected);
        let etc =
            node.marks
                .mark_appeared(&node.marks.watched.root().unwrap().clone(), b"etc", b"/etc");
        assert_eq!(etc, expected);
    });
}

#[test]
fn a_wide_directory_needs_few_descriptors() {
    let test = "daemon::realtime::marks::tests::a_wide_directory_needs_few_descriptors";
    let Some(root) = mount_namespace::of_test(test, "ulimit -n 64") else {
        return;
    };
    for number in 0..200 {
        fs::create_dir_all(root.join(format!("etc/{number}/a"))).unwrap();
    }
    let node = Node::new(&root, "/etc p\n", 1000, Preference::Auto);
    assert_eq!(
        (node.marks.len(), node.unmarked),
        (405, Unmarked::default())
    );
}

/// More events than the queues of the kernel have room for.
#[test]
fn an_overflow_is_announced_and_all_directories_are_marked_again() {
    with_each("/etc p\n", 100, |node| {
        // fanotify merges the events of a file.
        for number in 0..17_000 {
            File::create(node.path(&format!("etc/{number}"))).unwrap();
        }
        fs::rename(node.path("etc/ssh"), node.path("etc/renamed")).unwrap();
        fs::create_dir(node.path("etc/new")).unwrap();
        let (mut overflows, mut others) = (0, 0);
        loop {
            let announced = node.marks.read().unwrap();
            if announced.is_empty() {
                break;
            }
            let count = announced.len();
            let overflow = |it: &&Announced| it.announcement == Announcement::Everything;
            let found = announced.iter().filter(overflow).count();
            overflows += found;
            others += count - found;
        }
        assert_eq!(overflows, 1);
        assert!(others > 0);
        assert_eq!(node.marks.mark_all().unwrap(), Unmarked::default());
        assert_eq!((node.marks.len(), node.in_kernel()), (5, 5));
        fs::write(node.path("etc/renamed/keys/file"), "x").unwrap();
        let expected = ["/etc/renamed/keys", "/etc/renamed/keys/file"];
        assert_eq!(node.dirty_paths(), expected);
    });
}

const MOUNT_NOTHING: &str = "mount -t tmpfs root \"$1\"; cd \"$1\"";

#[test]
fn without_permission_for_fanotify_there_is_inotify() {
    let test = "daemon::realtime::marks::tests::without_permission_for_fanotify_there_is_inotify";
    let Some(root) = mount_namespace::of_test(test, MOUNT_NOTHING) else {
        return;
    };
    let mut node = Node::new(&root, "/etc p\n", 100, Preference::Auto);
    let reason = node.marks.fallback().map(|fallback| fallback.reason);
    assert_eq!(reason, Some(RealtimeReason::NotPermitted));
    assert_eq!(node.marks.backend(), RealtimeBackend::Inotify);
    fs::write(node.path("etc/file"), "new").unwrap();
    assert_eq!(node.dirty_paths(), ["/etc/file"]);
}

#[test]
fn the_kernels_limit_of_watches() {
    let test = "daemon::realtime::marks::tests::the_kernels_limit_of_watches";
    let script = "echo 3 >/proc/sys/user/max_inotify_watches";
    let Some(root) = mount_namespace::of_test(test, script) else {
        return;
    };
    fs::remove_dir(root.join("etc/kubernetes")).unwrap();
    let mut node = Node::new(&root, "/etc p\n", 100, Preference::Auto);
    let expected = Unmarked {
        beyond_kernel_limit: 1,
        first_beyond_limit: Some("/etc/ssh/keys".to_owned()),
        ..Unmarked::default()
    };
    assert_eq!((node.marks.len(), &node.unmarked), (3, &expected));
    fs::write(node.path("etc/file"), "new").unwrap();
    assert_eq!(node.dirty_paths(), ["/etc/file"]);
}

#[test]
fn the_kernels_limit_of_instances() {
    let test = "daemon::realtime::marks::tests::the_kernels_limit_of_instances";
    let script = "echo 0 >/proc/sys/user/max_inotify_instances";
    let Some(root) = mount_namespace::of_test(test, script) else {
        return;
    };
    let reach = Reach::of(&Configuration::parse("/etc p\n"));
    let error = Marks::open(root, reach, 100, Preference::Auto).unwrap_err();
    assert_eq!(error.reason, RealtimeReason::WatchLimit);
    assert_eq!(error.to_string(), "inotify cannot be used");
}

fn run(program: &str, args: &[&str], point: &Path) {
    let status = std::process::Command::new(program)
        .args(args)
        .arg(point)
        .status();
    assert!(status.unwrap().success(), "{program} {args:?} {point:?}");
}

#[test]
fn a_file_system_that_is_mounted_or_unmounted_is_marked() {
    let test =
        "daemon::realtime::marks::tests::a_file_system_that_is_mounted_or_unmounted_is_marked";
    let Some(root) = mount_namespace::of_root_test(test, "") else {
        return;
    };
    for preference in BACKENDS {
        let root = root.join(format!("{preference:?}"));
        let mut node = Node::new(&root, "/etc p\n", 100, preference);
        let point = node.path("etc/ssh");
        run("mount", &["-t", "tmpfs", "tmpfs"], &point);
        fs::create_dir(point.join("new")).unwrap();
        assert_eq!(
            node.marks.mark_mounted(b"/etc/ssh"),
            Some(Unmarked::default())
        );
        // The root, /etc, /etc/ssh, /etc/ssh/new.
        assert_eq!((node.marks.len(), node.in_kernel()), (4, 4));
        node.dirty();
        fs::write(point.join("new/file"), "x").unwrap();
        assert_eq!(node.dirty_paths(), ["/etc/ssh/new", "/etc/ssh/new/file"]);
        run("umount", &[], &point);
        let unmounted = node.dirty();
        if preference == Preference::Inotify {
            assert!(unmounted.contains(b"/etc/ssh/new/file"));
        }
        assert_eq!(
            node.marks.mark_mounted(b"/etc/ssh"),
            Some(Unmarked::default())
        );
        fs::write(point.join("keys/file"), "x").unwrap();
        assert_eq!(node.dirty_paths(), ["/etc/ssh/keys", "/etc/ssh/keys/file"]);
        assert_eq!((node.marks.len(), node.in_kernel()), (4, 4));
        for unwatched in ["/var/log", "/var", "/etc/none/other"] {
            assert_eq!(
                node.marks.mark_mounted(unwatched.as_bytes()),
                None,
                "{unwatched}"
            );
        }
    }
}

#[test]
fn a_directory_that_is_mounted_inside_itself_is_watched_at_both_paths() {
    let test = "daemon::realtime::marks::tests::\
                a_directory_that_is_mounted_inside_itself_is_watched_at_both_paths";
    let script = "mkdir -p \"$1/etc/self\" && mount --bind \"$1\" \"$1/etc/self\"";
    let Some(root) = mount_namespace::of_root_test(test, script) else {
        return;
    };
    for preference in BACKENDS {
        let mut node = Node::new(&root, "/etc p\n", 100, preference);
        assert_eq!(node.unmarked, Unmarked::default());
        fs::write(node.path("etc/file"), "new").unwrap();
        assert_eq!(node.dirty_paths(), ["/etc/file", "/etc/self/etc/file"]);
        fs::create_dir_all(node.path("etc/new/a")).unwrap();
        assert!(node.dirty().contains(b"/etc/self/etc/new/a"));
        fs::write(node.path("etc/self/etc/new/a/file"), "x").unwrap();
        let dirty = node.dirty();
        for path in ["/etc/new/a/file", "/etc/self/etc/new/a/file"] {
            assert!(dirty.contains(path.as_bytes()), "{path}");
        }
        fs::remove_dir_all(node.path("etc/new")).unwrap();
        let dirty = node.dirty();
        for path in ["/etc/new/a", "/etc/self/etc/new/a"] {
            assert!(dirty.contains(path.as_bytes()), "{path}");
        }
        let marked = node.marks.len();
        assert_eq!(node.marks.mark_all().unwrap(), Unmarked::default());
        assert_eq!(node.marks.len(), marked);
    }
}

#[test]
fn the_profiles_do_not_reach_the_files_of_the_kernel() {
    let test = "daemon::realtime::marks::tests::the_profiles_do_not_reach_the_files_of_the_kernel";
    let script =
        "for dir in proc sys dev; do mkdir \"$1/$dir\"; mount --rbind /$dir \"$1/$dir\"; done";
    let Some(root) = mount_namespace::of_root_test(test, script) else {
        return;
    };
    for profile in [Profile::Generic, Profile::Openshift] {
        for preference in BACKENDS {
            let node = Node::new(&root, profile.text(), 100, preference);
            // The root, /etc, /etc/kubernetes, /etc/ssh, /etc/ssh/keys, and /var.
            assert_eq!((node.marks.len(), node.in_kernel()), (6, 6), "{profile:?}");
            assert!(node.marks.watched.at(b"/etc/ssh/keys").is_some());
            assert_eq!(node.unmarked, Unmarked::default());
        }
    }
}

/// fanotify does not take subvolumes of btrfs beside other file systems.
#[test]
fn inotify_watches_what_refuses_fanotify() {
    let test = "daemon::realtime::marks::tests::inotify_watches_what_refuses_fanotify";
    let script = r#"
cd "$1"
mkdir btrfs etc/part
truncate -s 128M btrfs.image
mkfs.btrfs -q btrfs.image
mount -o loop btrfs.image btrfs
btrfs -q subvolume create btrfs/part
mkdir -p btrfs/part/below
mount -o loop,subvol=part btrfs.image etc/part
"#;
    let Some(root) = mount_namespace::of_root_test(test, script) else {
        return;
    };
    let mut node = Node::new(&root, "/etc p\n", 100, Preference::Auto);
    assert_eq!(node.unmarked, Unmarked::default());
    assert_eq!(node.marks.descriptors().count(), 2);
    let interface = |node: &Node, path: &str| {
        let place = node.marks.watched.at(path.as_bytes()).unwrap();
        match node.marks.watched.directory(place).unwrap() {
            WatchId::Handle(_) => RealtimeBackend::Fanotify,
            WatchId::Watch(_) => RealtimeBackend::Inotify,
        }
    };
    assert_eq!(interface(&node, "/etc/ssh"), RealtimeBackend::Fanotify);
    assert_eq!(
        interface(&node, "/etc/part/below"),
        RealtimeBackend::Inotify
    );
    assert_eq!(node.marks.backend(), RealtimeBackend::Fanotify);
    fs::write(node.path("etc/file"), "x").unwrap();
    fs::create_dir_all(node.path("etc/part/below/new")).unwrap();
    let dirty = node.dirty();
    assert!(dirty.contains(b"/etc/file") && dirty.contains(b"/etc/part/below/new"));
    fs::write(node.path("etc/part/below/new/file"), "x").unwrap();
    let expected = ["/etc/part/below/new", "/etc/part/below/new/file"];
    assert_eq!(node.dirty_paths(), expected);
    let before = node.in_kernel();
    fs::remove_dir_all(node.path("etc/part/below")).unwrap();
    assert!(node.dirty().contains(b"/etc/part/below"));
    assert_eq!(node.in_kernel(), before - 2);
}

/// A user's file system that root may not read.
#[test]
fn a_directory_that_cannot_be_opened_is_refused() {
    let test = "daemon::realtime::marks::tests::a_directory_that_cannot_be_opened_is_refused";
    let script = "mkdir \"$1/etc/fuse\"
        exec 3<>/dev/fuse
        mount -t fuse -o fd=3,rootmode=40000,user_id=1,group_id=1 fuse \"$1/etc/fuse\"";
    let Some(root) = mount_namespace::of_root_test(test, script) else {
        return;
    };
    for preference in BACKENDS {
        let mut node = Node::new(&root, "/etc p\n", 100, preference);
        let expected = Unmarked {
            refused: 1,
            first_refused: Some("/etc/fuse: Permission denied (os error 13)".to_owned()),
            ..Unmarked::default()
        };
        assert_eq!(node.unmarked, expected);
        fs::write(node.path("etc/file"), "new").unwrap();
        assert_eq!(node.dirty_paths(), ["/etc/file"]);
    }
}
