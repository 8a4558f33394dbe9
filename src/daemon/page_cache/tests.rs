use super::*;

fn cgroup(stat: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("memory.reclaim"), "").unwrap();
    fs::write(dir.path().join("memory.current"), "").unwrap();
    fs::write(dir.path().join("memory.stat"), stat).unwrap();
    dir
}

fn requested(dir: &Path) -> String {
    fs::read_to_string(dir.join("memory.reclaim")).unwrap()
}

#[test]
fn all_cached_bytes_are_requested() {
    let dir = cgroup("anon 4096\nfile 1234567\nfile_mapped 1\n");
    assert_eq!(release_in(dir.path()).unwrap(), Some(1_234_567));
    assert_eq!(requested(dir.path()), "1234567");
}

#[test]
fn nothing_is_done_without_cached_pages_or_kernel_support() {
    assert_eq!(release_in(cgroup("anon 1\nfile 0\n").path()).unwrap(), None);
    assert_eq!(
        release_in(tempfile::tempdir().unwrap().path()).unwrap(),
        None
    );
}

#[test]
fn nothing_is_requested_of_the_root_of_the_hierarchy() {
    let root = cgroup("file 1234567\n");
    fs::remove_file(root.path().join("memory.current")).unwrap();
    assert_eq!(release_in(root.path()).unwrap(), None);
    assert_eq!(requested(root.path()), "");
}

#[test]
fn the_own_cgroup_is_below_the_hierarchy() {
    let own = |cgroups| own_cgroup(Path::new("/sys/fs/cgroup"), cgroups);
    for (cgroups, dir) in [
        // A privileged container, in the namespace of the node.
        (
            "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-2.scope\n",
            Some("/sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/cri-containerd-2.scope"),
        ),
        // A container with a namespace of its own.
        ("0::/\n", Some("/sys/fs/cgroup/")),
        // cgroup v1 and v2 together, and v1 alone.
        (
            "4:memory:/a\n1:name=systemd:/b\n0::/c\n",
            Some("/sys/fs/cgroup/c"),
        ),
        ("4:memory:/a\n1:name=systemd:/b\n", None),
        // Outside of the mounted hierarchy.
        ("0::/../../system.slice\n", None),
    ] {
        assert_eq!(own(cgroups).as_deref(), dir.map(Path::new), "{cgroups}");
    }
}
