use super::*;

fn literals(regex: &str) -> Vec<String> {
    prefixes(regex)
        .into_iter()
        .map(|one| format!("{} {}", one.literal, one.rest))
        .collect()
}

#[test]
fn prefixes_of_alternatives() {
    for (regex, expected) in [
        ("/etc/init.d/", &["/etc/init.d/ "][..]),
        ("/java-1.8.0/lib", &["/java-1.8.0/lib "]),
        ("/root/.*", &["/root/ .*"]),
        ("/root/..*", &["/root/. .*"]),
        (r"/root/\..*", &["/root/. .*"]),
        ("/a|^/b$", &["/a ", "/b $"]),
        ("/(bin|sbin)/a", &["/bin/a ", "/sbin/a "]),
        ("/(?:bin|sbin)/a", &["/bin/a ", "/sbin/a "]),
        ("/(a|b)/(c|d)/", &["/a/c/ ", "/a/d/ ", "/b/c/ ", "/b/d/ "]),
        ("/(bin|bin)/a", &["/bin/a "]),
        ("/roots?", &["/root s?"]),
        (r"/(bin|opt)/(k|b)\2", &[]),
        ("/(a|b)/(?1)", &[]),
    ] {
        assert_eq!(literals(regex), expected, "{regex}");
    }
    let many = format!(
        "/({})/",
        (0..900)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join("|")
    );
    assert_eq!(prefixes(&many).len(), MAX_EXPRESSIONS);
}

#[test]
fn the_path_before_macros_is_returned() {
    assert_eq!(before_macros("/root/a@@{B}@@{C}"), "/root/a");
    assert_eq!(before_macros("/root/@@{"), "/root/@@{");
}
