//! Rules whose paths contain links.

use super::writer::MAX_STATEMENTS;
use super::*;

/// `/root`, `/sbin` and `/odd` are links.
fn resolve(path: &str) -> Place {
    for (link, target) in [
        ("/root", "/var/roothome"),
        ("/sbin", "/usr/sbin"),
        ("/etc/init.d", "/etc/rc.d/init.d"),
    ] {
        if let Some(rest) = path.strip_prefix(link)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return Place::Behind {
                link: link.to_owned(),
                real: format!("{target}{rest}"),
                is_link: rest.is_empty(),
            };
        }
    }
    if path.starts_with("/odd/") {
        return Place::Refused {
            link: "/odd".to_owned(),
            reason: "is odd".to_owned(),
        };
    }
    Place::Same
}

fn followed(text: &str) -> Followed {
    follow(text, "/h", &mut resolve)
}

/// The lines that were added to a text.
fn added(text: &str) -> Vec<String> {
    let users: Vec<&str> = text.lines().collect();
    let text = followed(text).text;
    let mut users = users.into_iter().peekable();
    let is_added = |line: &&str| users.next_if(|users| users == line).is_none();
    text.lines().filter(is_added).map(str::to_owned).collect()
}

#[test]
fn a_rule_for_the_real_path_is_added() {
    for (rule, expected) in [
        ("/h/root/\\.ssh p", &["/h/var/roothome/\\\\.ssh p"][..]),
        ("/h/root/\\..* f p+u", &["/h/var/roothome/\\\\..* f p+u"]),
        ("/h/root p", &["/h/var/roothome(?=/|$) p"]),
        ("/h/root(/|$) p", &["/h/var/roothome(?=/|$)(/|$) p"]),
        ("/h/root.* p", &["/h/var/roothome(?=/|$).* p"]),
        ("/h/root/.* p", &["/h/var/roothome/.* p"]),
        ("/h/root$ p", &["/h/var/roothome(?=/|$)$ p"]),
        ("=/h/root p", &["=/h/var/roothome(?=/|$) p"]),
        ("^/h/root/a p", &[]),
        ("/h/sbin/auditctl p", &["/h/usr/sbin/auditctl p"]),
        ("/h/sbin/a+ p", &["/h/usr/sbin/a+ p"]),
        ("/h/sbin/a\\ b\\@c p", &["/h/usr/sbin/a\\ b\\@c p"]),
        (
            "/h/root/a|/h/sbin/b p",
            &["/h/var/roothome/a p", "/h/usr/sbin/b p"],
        ),
        (
            "/h/(root|etc|sbin)/a p",
            &["/h/var/roothome/a p", "/h/usr/sbin/a p"],
        ),
        ("/h/rootfs p", &[]),
        ("/h/roots? p", &["/h/var/roothome(?=/|$)s? p"]),
        ("/h/etc p", &[]),
        ("/other/root p", &[]),
        ("!/h/root/\\.cache", &["!/h/var/roothome/\\\\.cache"]),
        ("/h/(?:root|etc)/a p", &["/h/var/roothome/a p"]),
        (
            "/h/(root|etc)/(a|b)/ p",
            &["/h/var/roothome/a/ p", "/h/var/roothome/b/ p"],
        ),
        ("/h/(root|sbin)/(k)\\2 p", &[]),
        ("/h/root/\\.\\..* p", &["/h/var/roothome/\\\\.\\\\..* p"]),
        ("/h/etc/init.d/ p", &["/h/etc/rc\\\\.d/init\\\\.d/ p"]),
    ] {
        assert_eq!(added(&format!("{rule}\n")), expected, "{rule}");
    }
}

#[test]
fn a_rule_is_added_after_its_original_in_the_same_branch() {
    let text = "@@define TOP /h/root\n@@ifdef X\n/h/sbin/a p\r\n@@endif\n@@{TOP}/b p";
    let followed = followed(text);
    assert_eq!(
        followed.text,
        "@@define TOP /h/root\n@@ifdef X\n/h/sbin/a p\r\n/h/usr/sbin/a p\n@@endif\n\
         @@{TOP}/b p\n/h/var/roothome/b p\n"
    );
    let users: Vec<usize> = (1..=7).map(|line| followed.users_line(line)).collect();
    assert_eq!(users, [1, 2, 3, 3, 4, 5, 5]);
    let places = followed.redirected.iter();
    let places: Vec<(usize, &str)> = places.map(|r| (r.line, r.real.as_str())).collect();
    assert_eq!(places, [(3, "/usr/sbin/a"), (5, "/var/roothome/b")]);
}

#[test]
fn files_that_are_watched_by_their_real_paths_are_not_excluded() {
    for text in [
        "/h/var p\n!/h/root/\\.cache\n",
        "/h/ p\n=/h/root p\n",
        "/h/var/roothome/.cache/a p\n-/h/root/.cache\n",
    ] {
        assert_eq!(added(text), [""; 0], "{text}");
    }
    assert_eq!(
        added("/h/var/log p\n!/h/root/\\.cache\n"),
        ["!/h/var/roothome/\\\\.cache"]
    );
}

#[test]
fn rules_that_are_not_watched_are_listed() {
    let text = "!/h/odd/a\n/h/odd/a p\n@@ifdef X\n@@define A /h/root\n@@else\n@@define A /h/sbin\n\
                @@endif\n@@{A}/a p\n";
    let followed = followed(text);
    assert!(!followed.is_changed);
    let named = followed.unwatched.iter();
    let named: Vec<(usize, &str)> = named.map(|one| (one.line, one.link.as_str())).collect();
    assert_eq!(named, [(2, "/odd"), (8, "/root"), (8, "/sbin")]);
}

#[test]
fn the_number_of_added_rules_is_limited() {
    let followed = followed(&"/h/root/a p\n".repeat(MAX_STATEMENTS - 10));
    assert_eq!(followed.redirected.len(), 10);
    assert_eq!(followed.unwatched.len(), MAX_STATEMENTS - 20);
    assert_eq!(followed.text.lines().count(), MAX_STATEMENTS);
}

#[test]
fn a_text_without_links_is_unchanged() {
    let text = "\u{feff}@@define A b\r\n/h/etc p\n!/h/var\n# end";
    let followed = followed(text);
    assert!(!followed.is_changed);
    assert_eq!(followed.users_line(4), 4);
    assert_eq!((followed.redirected, followed.unwatched), (vec![], vec![]));
}

#[test]
fn a_rule_of_the_user_has_precedence_over_an_added_one() {
    for (text, expected) in [
        ("/h/usr/ n\n/h/sbin/ p\n", &["/[h]/usr/sbin/ p"][..]),
        (
            "/h/root/ p\n/h/var/roothome/ n\n",
            &["/[h]/var/roothome/ p"],
        ),
        (
            "/h/root/ p\n/h/var/.*\\.log$ n\n",
            &["/[h]/var/roothome/ p"],
        ),
        ("/h/(a)\\1 n\n/h/root/ p\n", &["/[h]/var/roothome/ p"]),
        ("/h/root/ p\n/h/$ n\n", &["/h/var/roothome/ p"]),
        ("/h/root/ p\n/h/var/log/ n\n", &["/h/var/roothome/ p"]),
    ] {
        assert_eq!(added(text), expected, "{text}");
    }
    let text = "@@ifdef X\n/h/sbin/ p\n@@endif\n/h/root/ p\n/h/usr/ n\n/h/var/ n\n";
    assert_eq!(
        followed(text).text,
        "@@ifdef X\n/h/sbin/ p\n/[h]/usr/sbin/ p\n@@endif\n/h/root/ p\n/h/usr/ n\n/h/var/ n\n\
         /[h]/var/roothome/ p\n"
    );
}

/// The path was not excluded under the name of the link.
#[test]
fn a_negative_rule_gets_exceptions_for_real_paths() {
    for (rule, expected) in [
        ("!/h/var", "!/h/var(?!/roothome/a)"),
        ("-/h/var(/|$)", "!/h/var(?!/roothome/a)(/|$)"),
        ("-/h/var/.*", "!/h/var/(?!roothome/a).*"),
        ("!/h/va", "!/h/va(?!r/roothome/a)"),
        ("!/h/var$", "!/h/var$"),
        ("!/h/var d", "!/h/var d"),
        ("!/h/var/roothome/a/b", "!/h/var/roothome/a/b"),
        ("!/h/var/log", "!/h/var/log"),
    ] {
        let followed = followed(&format!("{rule}\n/h/root/a p\n"));
        let first = followed.text.lines().next();
        assert_eq!(first, Some(expected), "{rule}");
    }
}

#[test]
fn rules_for_two_links_with_the_same_target_do_not_exclude_each_other() {
    let mut to_data = |path: &str| {
        let behind = |link: &str, rest: &str| Place::Behind {
            link: link.to_owned(),
            real: format!("/data{rest}"),
            is_link: rest.is_empty(),
        };
        match path.split_at(path.len().min(2)) {
            ("/a", rest) => behind("/a", rest),
            ("/b", rest) => behind("/b", rest),
            _ => Place::Same,
        }
    };
    let text = "/h/a/ p\n-/h/b\n";
    let followed = follow(text, "/h", &mut to_data);
    assert_eq!(followed.text, "/h/a/ p\n/h/data/ p\n-/h/b\n");
}

#[test]
fn the_size_of_added_rules_is_limited() {
    let names: Vec<String> = (0..60).map(|n| format!("n{n}")).collect();
    let rule = format!("/h/root/({})/{} p\n", names.join("|"), "x".repeat(15_000));
    let followed = followed(&rule);
    assert!(
        followed.text.len() < rule.len() + 300_000,
        "{}",
        followed.text.len()
    );
    assert_eq!(followed.redirected.len() + followed.unwatched.len(), 60);
    assert!(!followed.unwatched.is_empty());
}
