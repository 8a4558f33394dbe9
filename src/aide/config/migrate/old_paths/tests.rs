use super::*;

#[test]
fn paths_are_decoded_as_in_0_16() {
    for (old, new) in [
        ("/My%20App", r"/My\ App"),
        ("/a%40b", r"/a\@b"),
        ("/a%2Bb", "/a+b"),
        ("/a%7C/b", "/a|/b"),
        ("/100%", "/100%"),
        ("/a%2", "/a%2"),
        ("/a%zz", "/a%zz"),
        ("/%C3%A4", "/ä"),
        ("/a%09b", r"/a\tb"),
        (r"/a\\.b", r"/a\\\\.b"),
        (r"/a\.b\ c\@", r"/a\.b\ c\@"),
        (r"/a\%20b", r"/a\ b"),
        (r"/a%5C.b", r"/a\\.b"),
    ] {
        assert_eq!(rewritten(old), (new.to_owned(), true), "{old}");
    }
    for old in ["/a%FF", "/a%00b"] {
        assert_eq!(rewritten(old), (old.to_owned(), false), "{old}");
    }
}

#[test]
fn a_path_ends_at_its_comment_in_0_16() {
    for (path, at) in [
        ("/a#b", Some(2)),
        (r"/a\#b#c", Some(5)),
        (r"/a\\#b", Some(4)),
        ("/a", None),
    ] {
        assert_eq!(unescaped_hash(path), at, "{path}");
    }
}
