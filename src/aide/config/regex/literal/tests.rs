use super::*;

#[test]
fn the_directory_of_a_rule() {
    for (regex, expected) in [
        ("/", "/"),
        ("/etc", "/"),
        ("/etc/a", "/etc"),
        ("/etc/(a|b)/c", "/etc"),
        ("/etc/", "/etc"),
        (r"/a\.d/b.*", "/a.d"),
        ("/a|/b/c", "/a|/b"),
    ] {
        assert_eq!(node(regex), expected, "{regex}");
    }
}
