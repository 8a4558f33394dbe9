//! Tests of the paths that are excluded.

use super::*;

#[test]
fn the_exclusion_of_a_path_is_named() {
    let mut excluded = ExcludedPaths::default();
    excluded.add("/etc/agent cache").unwrap();
    excluded.add(r"/etc/line\012feed").unwrap();
    let text = excluded.append_to("/hostroot/etc p\n", names::HOST_ROOT);
    for (path, expected) in [
        ("/etc/agent cache", Some("/etc/agent cache")),
        ("d:/etc/agent cache/", Some("/etc/agent cache")),
        ("/etc/agent cache/index", Some("/etc/agent cache")),
        ("/etc/line\nfeed", Some(r"/etc/line\012feed")),
        ("/etc/agent", None),
        ("/", None),
    ] {
        assert_eq!(excluding(&text, path).as_deref(), expected, "{path:?}");
    }
    assert_eq!(excluding("-/hostroot/etc/agent(/|$)\n", "/etc/agent"), None);
}
