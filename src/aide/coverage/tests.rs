use super::*;

fn coverage(paths: &[(&str, Extent)]) -> Coverage {
    let mut coverage = Coverage::default();
    for (path, extent) in paths {
        coverage.add(path.as_bytes(), *extent);
    }
    coverage
}

#[test]
fn an_extent_covers_what_it_says() {
    let covered = coverage(&[
        ("/etc/passwd", Extent::Own),
        ("/etc/ssh", Extent::Entries),
        ("/usr", Extent::Subtree),
    ]);
    for (path, expected) in [
        ("/etc/passwd", true),
        ("/etc/passwd-", false),
        ("/etc/passwd/a", false),
        ("/etc", false),
        ("/", false),
        ("/etc/ssh", true),
        ("/etc/ssh/keys", true),
        ("/etc/ssh/keys/a", false),
        ("/usr", true),
        ("/usr/a", true),
        ("/usr/a/b/c", true),
        ("/usrlocal", false),
    ] {
        assert_eq!(covered.contains(path.as_bytes()), expected, "{path}");
    }
}

#[test]
fn the_root_can_be_covered() {
    for (extent, expected) in [
        (Extent::Own, [true, false, false]),
        (Extent::Entries, [true, true, false]),
        (Extent::Subtree, [true, true, true]),
    ] {
        let covered = coverage(&[("/", extent)]);
        let seen = [&b"/"[..], b"/etc", b"/etc/passwd"].map(|path| covered.contains(path));
        assert_eq!(seen, expected, "{extent:?}");
    }
}

#[test]
fn the_greater_extent_counts() {
    let mut covered = coverage(&[("/etc", Extent::Subtree), ("/etc", Extent::Own)]);
    assert_eq!(covered, coverage(&[("/etc", Extent::Subtree)]));
    covered.extend(&coverage(&[("/opt", Extent::Own)]));
    assert_eq!(covered.len(), 2);
}

#[test]
fn coverage_by_directory_covers_the_same_and_siblings() {
    let covered = coverage(&[
        ("/etc/a", Extent::Own),
        ("/etc/b", Extent::Own),
        ("/etc/c", Extent::Subtree),
        ("/", Extent::Own),
        ("/opt", Extent::Entries),
    ]);
    let expected = coverage(&[
        ("/etc", Extent::Entries),
        ("/etc/c", Extent::Subtree),
        ("/", Extent::Own),
        ("/opt", Extent::Entries),
    ]);
    assert_eq!(covered.by_directory(), expected);
}
