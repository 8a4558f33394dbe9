use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::testing::mount_namespace;

const NODE: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 254:0 / /hostroot rw,relatime master:1 - ext4 /dev/vda rw
41 40 0:21 / /hostroot/proc rw - proc proc rw
42 40 8:1 /@\\040sub /hostroot/mnt/a\\040b\\134\\011\\012c rw master:1 propagate_from:2 - btrfs /dev/sda1 rw
43 40 0:50 / /hostroot/mnt/a rw - tmpfs first rw
44 43 0:51 / /hostroot/mnt/a rw - tmpfs second rw
45 27 0:52 / /hostroots/other rw - tmpfs other rw
";

fn mount(id: &str, device: &str, root: &str, file_system: &str) -> Mount {
    Mount {
        id: id.into(),
        device: device.into(),
        root: root.into(),
        file_system: file_system.into(),
    }
}

fn parsed(mountinfo: &str) -> Mounts {
    Mounts::parse(mountinfo.as_bytes(), b"/hostroot").unwrap()
}

#[test]
fn mounts_below_the_root_of_the_node() {
    let expected = [
        ("/proc", vec![mount("41", "0:21", "/", "proc")]),
        (
            "/mnt/a b\\\t\nc",
            vec![mount("42", "8:1", "/@ sub", "btrfs")],
        ),
        (
            "/mnt/a",
            vec![
                mount("43", "0:50", "/", "tmpfs"),
                mount("44", "0:51", "/", "tmpfs"),
            ],
        ),
    ];
    let expected = expected.map(|(path, mounts)| (path.as_bytes().to_vec(), mounts));
    assert_eq!(parsed(NODE), Mounts(expected.into()));
    let all = Mounts::parse(NODE.as_bytes(), b"/").unwrap();
    assert!(all.0.contains_key(b"/hostroot/proc".as_slice()));
    assert!(all.0.contains_key(b"/hostroot".as_slice()));
    assert_eq!(all.0.len(), 6);
}

#[test]
fn file_systems_that_others_change() {
    for (file_system, expected) in [
        ("nfs4", true),
        ("cifs", true),
        ("virtiofs", true),
        ("fuse", true),
        ("fuse.sshfs", true),
        ("fuseblk", false),
        ("fusectl", false),
        ("ext4", false),
        ("tmpfs", false),
        ("overlay", false),
    ] {
        let mounts = parsed(&format!(
            "50 40 0:60 / /hostroot/data rw - {file_system} source rw\n"
        ));
        let remote: Vec<_> = mounts.remote().collect();
        let data = (b"/data".as_slice(), file_system.as_bytes());
        let expected = if expected { vec![data] } else { vec![] };
        assert_eq!(remote, expected, "{file_system}");
    }
}

#[test]
fn a_hidden_file_system_is_not_remote() {
    let mounts = parsed(
        "50 40 0:60 / /hostroot/data rw - nfs4 source rw\n51 50 0:61 / /hostroot/data rw - tmpfs none rw\n",
    );
    assert_eq!(mounts.remote().count(), 0);
}

#[test]
fn invalid_lines() {
    for line in [
        "22",
        "22 27 0:21 / ",
        "22 27 0:21 / /proc rw,relatime",
        "22 27 0:21 / /proc rw,relatime -",
    ] {
        let invalid = Mounts::parse(line.as_bytes(), b"/hostroot");
        assert_eq!(invalid, Err(InvalidLine(line.to_owned())), "{line}");
    }
}

#[test]
fn incomplete_escapes_are_taken_literally() {
    for (field, expected) in [
        ("\\04", "\\04"),
        ("\\", "\\"),
        ("\\999", "\\999"),
        ("\\777", "\\777"),
        ("\\+12", "\\+12"),
        ("\\101\\101", "AA"),
    ] {
        assert_eq!(unescaped(field.as_bytes()), expected.as_bytes(), "{field}");
    }
}

#[test]
fn changed_mounts() {
    let before = parsed(NODE);
    let with = |lines: &str| parsed(&format!("{NODE}{lines}"));
    let without = |id: &str| {
        let lines = NODE.lines().filter(|line| !line.starts_with(id));
        parsed(&lines.collect::<Vec<_>>().join("\n"))
    };
    let tmpfs = |point: &str| format!("90 40 0:90 / /hostroot{point} rw - tmpfs t rw\n");
    for (after, expected) in [
        (before.clone(), vec![]),
        (with(&tmpfs("/etc")), vec!["/etc"]),
        (with(&tmpfs("/proc")), vec!["/proc"]),
        (without("44"), vec!["/mnt/a"]),
        (without("45"), vec![]),
        // `!` is before the slash.
        (
            with(&(tmpfs("/b") + &tmpfs("/b/c/d") + &tmpfs("/b!/c"))),
            vec!["/b", "/b!/c"],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|path| path.as_bytes().to_vec())
            .collect();
        assert_eq!(after.changed(&before), expected);
        assert_eq!(before.changed(&after), expected);
    }
}

#[test]
fn mounts_of_the_kernel() {
    let test = "daemon::realtime::mounts::tests::mounts_of_the_kernel";
    let Some(root) = mount_namespace::of_test(test, "") else {
        return;
    };
    let current = || {
        let mountinfo = fs::read("/proc/self/mountinfo").unwrap();
        Mounts::parse(&mountinfo, root.as_os_str().as_bytes()).unwrap()
    };
    let run = |program: &str, args: &[&str], point: &Path| {
        let status = Command::new(program).args(args).arg(point).status();
        assert!(status.unwrap().success());
    };
    let before = current();
    assert_eq!(before, Mounts::default());
    let name = "etc/a b\\\n\t#";
    let point = root.join(name);
    fs::create_dir(&point).unwrap();
    run("mount", &["-t", "tmpfs", "tmpfs"], &point);
    let mounted = current();
    let path = format!("/{name}").into_bytes();
    assert_eq!(mounted.changed(&before), std::slice::from_ref(&path));
    assert_eq!(mounted.0[&path][0].file_system, b"tmpfs");
    run("umount", &[], &point);
    assert_eq!(current().changed(&mounted), [path]);
}

proptest! {
    /// No bytes make the parser panic.
    #[test]
    fn any_bytes_are_parsed_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at in 0_usize..700,
        host_root in "/[a-z/]{0,9}",
    ) {
        drop(Mounts::parse(&bytes, host_root.as_bytes()));
        let mut damaged = NODE.as_bytes().to_vec();
        let at = at.min(damaged.len());
        damaged.splice(at..damaged.len().min(at + bytes.len()), bytes);
        drop(Mounts::parse(&damaged, b"/hostroot"));
    }
}

#[test]
fn all_mounts_of_local_file_systems_are_listed() {
    // The first one may be a file.
    let mounts = parsed(
        "1 0 8:1 /file /hostroot/proc/sys/file rw - ext4 x rw
2 0 8:1 /directory /hostroot/var rw - ext4 x rw
3 0 0:5 / /hostroot/proc rw - proc proc rw",
    );
    let device = b"8:1".as_slice();
    let expected = [(b"/proc/sys/file".as_slice(), device), (b"/var", device)];
    assert!(mounts.local().eq(expected));
}
