use super::*;

#[test]
fn the_first_group_is_expanded() {
    for (regex, expected) in [
        ("/(bin|s\\.x)/a.*", &["/bin/a.*", "/s\\.x/a.*"][..]),
        ("/(a|)b", &["/ab", "/b"]),
        ("/a", &["/a"]),
        ("/a(/|$)", &["/a(/|$)"]),
        ("/(a|b)*", &["/(a|b)*"]),
        ("/(?:a|b)", &["/a", "/b"]),
        ("/(?=a|b)", &["/(?=a|b)"]),
        ("/(a|(b))", &["/(a|(b))"]),
        ("/(a|b", &["/(a|b"]),
        ("/.(a|b)", &["/.(a|b)"]),
    ] {
        assert_eq!(group_alternatives(regex), expected, "{regex}");
    }
}
