use super::*;

fn cgroup(stat: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("memory.reclaim"), "").unwrap();
    fs::write(dir.path().join("memory.stat"), stat).unwrap();
    dir
}

#[test]
fn all_cached_bytes_are_requested() {
    let dir = cgroup("anon 4096\nfile 1234567\nfile_mapped 1\n");
    assert_eq!(release(dir.path()).unwrap(), Some(1_234_567));
    let asked = fs::read_to_string(dir.path().join("memory.reclaim")).unwrap();
    assert_eq!(asked, "1234567");
}

#[test]
fn nothing_is_done_without_cached_pages_or_kernel_support() {
    assert_eq!(release(cgroup("anon 1\nfile 0\n").path()).unwrap(), None);
    assert_eq!(release(tempfile::tempdir().unwrap().path()).unwrap(), None);
}
