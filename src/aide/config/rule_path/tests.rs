use super::*;

fn read(text: &str) -> RulePath {
    RulePath::read(text, &Macros::default()).unwrap()
}

#[test]
fn alternatives_of_the_whole_path_are_found() {
    for (text, expected) in [
        ("/etc", vec!["/etc"]),
        ("/a|/b$|^/c", vec!["/a", "/b$", "/c"]),
        ("/(a|b)|/c", vec!["/(a|b)", "/c"]),
        ("/[|]|/[]|]", vec!["/[|]", "/[]|]"]),
        ("/[[:alpha:]|]", vec!["/[[:alpha:]|]"]),
        (r"/a\|b", vec![r"/a\|b"]),
        (r"/a\\|b", vec![r"/a\\|b"]),
        (r"/a\\\\|/b", vec![r"/a\\\\", "/b"]),
        (r"/\Qa|b\E|/c", vec![r"/\Qa|b\E", "/c"]),
        ("/a|", vec!["/a", ""]),
    ] {
        let found: Vec<&str> = read(text)
            .alternatives()
            .iter()
            .map(|one| &text[one.start..one.end])
            .collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn expressions_that_may_match_the_root_are_recognized() {
    for text in [
        "/",
        "/$",
        "/.*",
        "/*",
        "/[^/]*$",
        "/(etc)?$",
        "/(|x)",
        "/(etc|$)",
        "/(?:a|b)*",
        "/a?",
        "/a*b?$",
        "/((a))?",
        "/.{0,2}",
        r"/\w*",
    ] {
        assert!(read(text).alternatives()[0].may_be_root, "{text}");
    }
    for text in [
        "/etc",
        "/e+",
        "/.",
        "/(etc|usr)",
        "/(a)+$",
        "/(a?)b",
        "/[a]",
        r"/\.a",
        "/(etc)?x",
    ] {
        assert!(!read(text).alternatives()[0].may_be_root, "{text}");
    }
}
