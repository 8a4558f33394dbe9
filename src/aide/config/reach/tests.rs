use super::*;
use crate::aide::config::prepare;
use crate::aide::profiles::Profile;

/// Whether each directory is reached by the rules, on a node below `/hostroot`.
fn reached<'a>(rules: &str, directories: &[&'a str]) -> Vec<&'a str> {
    let effective = prepare(rules, "/etc/kubernetes", "/hostroot")
        .unwrap()
        .effective;
    let mut reach = Reach::of(&Configuration::parse(&effective));
    let is_reached = |path: &&&str| {
        let path = format!("/hostroot{}", path.trim_end_matches('/'));
        reach.includes(path.as_bytes())
    };
    directories.iter().filter(is_reached).copied().collect()
}

#[test]
fn directories_that_lead_to_a_selected_entry_are_reached() {
    let all = [
        "/",
        "/etc",
        "/etc/ssh",
        "/etc/ssh/keys",
        "/etcetera",
        "/etc/<a",
        "/var",
        "/var/lib",
        "/var/lib/a",
        "/var/lib/a/b",
        "/usr/lib",
    ];
    for (rules, expected) in [
        (
            "/etc p",
            vec![
                "/",
                "/etc",
                "/etc/ssh",
                "/etc/ssh/keys",
                "/etcetera",
                "/etc/<a",
            ],
        ),
        (
            "/etc(/|$) p",
            vec!["/", "/etc", "/etc/ssh", "/etc/ssh/keys", "/etc/<a"],
        ),
        ("/etc/ssh/config$ p", vec!["/", "/etc", "/etc/ssh"]),
        ("=/etc/ssh$ p", vec!["/", "/etc", "/etc/ssh"]),
        ("/etc/ssh p\n!/etc/ssh/keys", vec!["/", "/etc", "/etc/ssh"]),
        (
            "/etc/ssh p\n!/etc/ssh/keys d",
            vec!["/", "/etc", "/etc/ssh", "/etc/ssh/keys"],
        ),
        ("/etc/\\<a/b$ p", vec!["/", "/etc", "/etc/<a"]),
        (
            "/var/lib/[^/]*/config$ p",
            vec!["/", "/var", "/var/lib", "/var/lib/a"],
        ),
        (
            "/(etc|usr)/(ssh|lib)$ p",
            vec!["/", "/etc", "/etc/ssh", "/usr/lib"],
        ),
        (
            "@@define DIR /var/lib\n@@{DIR}/a p",
            vec!["/", "/var", "/var/lib", "/var/lib/a", "/var/lib/a/b"],
        ),
    ] {
        assert_eq!(reached(&format!("{rules}\n"), &all), expected, "{rules}");
    }
}

/// PCRE2 reads these otherwise than the crate.
#[test]
fn an_expression_that_is_not_agreed_on_reaches_all_below_its_literal_start() {
    let all = ["/", "/etc", "/etc/a", "/opt"];
    for rules in [
        "/etc/(?!a)b$ p",
        "/etc/[a&&b]$ p",
        "/etc/[[:alpha:]]$ p",
        "/etc/\\Qa\\E$ p",
        "/etc/(a)\\1$ p",
        "/etc/b++$ p",
        "/etc/[\u{e9}]$ p",
    ] {
        let reached = reached(&format!("{rules}\n"), &all);
        assert_eq!(reached, ["/", "/etc", "/etc/a"], "{rules}");
    }
}

#[test]
fn the_built_in_profiles_reach_what_they_watch() {
    for profile in [Profile::Generic, Profile::Openshift] {
        let all = [
            "/etc/ssh", "/usr/bin", "/root", "/var/log", "/home/a", "/proc/1",
        ];
        assert_eq!(
            reached(profile.text(), &all),
            ["/etc/ssh", "/usr/bin", "/root"],
            "{profile:?}"
        );
    }
}
