use super::*;

#[test]
fn paths_below_the_host_root_are_recognized() {
    let paths = Paths::new("/hostroot/", "etc/kubernetes/");
    assert_eq!(paths.state_dir_escaped(), "/hostroot/etc/kubernetes");
    for path in [
        "/hostroot",
        "/hostroot/etc",
        "/hostroot$",
        "/hostroot(/a|/b)",
        "/hostroot@@{A}",
    ] {
        assert!(paths.is_relocated(path), "{path}");
    }
    for path in [
        "/",
        "/hostroot2",
        "/hostroots/a",
        "/etc/hostroot",
        "hostroot",
    ] {
        assert!(!paths.is_relocated(path), "{path}");
    }
}

#[test]
fn files_in_the_state_directory_are_recognized() {
    let paths = Paths::new("/hostroot", "/etc/kubernetes");
    for file in ["/etc/kubernetes/aide.db", "/hostroot/etc/kubernetes/a/b"] {
        assert!(paths.is_in_state_dir(file), "{file}");
    }
    for file in [
        "/etc/kubernetes",
        "/etc/kubernetes/",
        "/etc/kubernetes2/aide.db",
        "/etc/kubernetes/../shadow",
        "/hostroot/etc/shadow",
    ] {
        assert!(!paths.is_in_state_dir(file), "{file}");
    }
}

#[test]
fn special_characters_are_escaped() {
    assert_eq!(escape(r"/a b@c\d"), r"/a\ b\@c\\d");
    assert_eq!(escape_rule("/tmp/.x y"), r"/tmp/\.x\ y");
}
