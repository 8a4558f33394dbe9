//! Conversion of whole configurations.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::budget::MAX_LINES;
use super::*;
use crate::aide::profiles::Profile;

/// All fixtures and default configurations, with their names.
pub(in crate::aide) const TEXTS: [(&str, &str); 10] = [
    ("debian", include_str!("../testdata/debian.conf")),
    (
        "original-0.16",
        include_str!("../testdata/original-0.16.conf"),
    ),
    (
        "original-0.18",
        include_str!("../testdata/original-0.18.conf"),
    ),
    ("profile-generic", include_str!("../profiles/generic.conf")),
    (
        "profile-openshift",
        include_str!("../profiles/openshift.conf"),
    ),
    ("rhel8", include_str!("../testdata/rhel8.conf")),
    ("rhel9", include_str!("../testdata/rhel9.conf")),
    ("stig", include_str!("../testdata/stig.conf")),
    ("suse", include_str!("../testdata/suse.conf")),
    ("windows", include_str!("../testdata/windows.conf")),
];

fn prepared(text: &str) -> Prepared {
    prepare(text, "/etc/kubernetes", "/hostroot").unwrap_or_else(|refused| panic!("{refused}"))
}

fn refused(text: &str) -> Vec<Diagnostic> {
    prepare(text, "/etc/kubernetes", "/hostroot")
        .expect_err(text)
        .diagnostics
}

/// The lines of the user, the converted lines (`conf>` and `aide>`) if they differ, and the warnings.
fn rendered(text: &str) -> String {
    let Prepared {
        conf,
        effective,
        warnings,
    } = prepared(text);
    let mut rendered = String::new();
    let lines = text
        .split('\n')
        .zip(conf.split('\n'))
        .zip(effective.split('\n'));
    for (index, ((user, conf), effective)) in lines.enumerate() {
        let _ = writeln!(rendered, "    {}", user.escape_debug());
        if conf != user {
            let _ = writeln!(rendered, "conf> {}", conf.escape_debug());
        }
        if effective != conf {
            let _ = writeln!(rendered, "aide> {}", effective.escape_debug());
        }
        for warning in warnings.iter().filter(|warning| warning.line == index + 1) {
            let _ = writeln!(rendered, "      ({}: {})", warning.message, warning.remedy);
        }
    }
    rendered
}

#[test]
fn typical_texts() {
    for (name, text) in TEXTS {
        insta::assert_snapshot!(name, rendered(text));
    }
}

#[test]
fn converted_texts_do_not_change_again() {
    for (name, text) in TEXTS {
        assert_eq!(Configuration::parse(text).to_string(), text, "{name}");
        let Prepared {
            conf, effective, ..
        } = prepared(text);
        assert_eq!(prepared(&conf).conf, conf, "{name}");
        assert_eq!(prepared(&effective).effective, effective, "{name}");
    }
    for text in [TEXTS[1].1, TEXTS[2].1] {
        assert_eq!(prepared(text).conf, text);
    }
}

#[test]
fn profiles_need_no_migration() {
    for profile in [Profile::Generic, Profile::Openshift] {
        let Prepared {
            effective,
            warnings,
            ..
        } = prepared(profile.text());
        assert_eq!(warnings, []);
        assert!(!effective.contains("# not used:"), "{effective}");
    }
}

/// The default of the original operator: no option becomes a comment without a warning.
#[test]
fn removed_options_cause_warnings() {
    for (name, text) in TEXTS {
        let Prepared {
            effective,
            warnings,
            ..
        } = prepared(text);
        let left_out = effective
            .lines()
            .enumerate()
            .filter(|(_, line)| line.starts_with("# not used:"));
        let messages = |option: &str, line: usize| {
            warnings
                .iter()
                .any(|one| one.line == line || one.message.starts_with(option))
        };
        for (index, line) in left_out {
            let option = line.trim_start_matches("# not used: ").split('=').next();
            assert!(
                messages(option.unwrap_or_default().trim(), index + 1),
                "{name}: {line}"
            );
        }
    }
}

#[test]
fn comments_after_expressions_are_removed() {
    for (text, expected) in [
        ("database_attrs = sha256 # c\n", "database_attrs = sha256\n"),
        ("@@undef X # c\n", "@@undef X\n"),
        ("N = p # c\n", "N = p\n"),
    ] {
        let text = format!("{text}/etc p\n");
        assert_eq!(
            prepared(&text).effective,
            format!("{expected}/hostroot/etc p\n")
        );
    }
}

#[test]
fn another_state_directory_and_host_root() {
    let conf = prepare(
        Profile::Openshift.text(),
        "/var/lib/file-integrity/",
        "/host/",
    )
    .unwrap()
    .conf;
    assert!(conf.contains("@@define DBDIR /host/var/lib/file-integrity\n"));
    assert!(
        conf.contains("\n/host/etc/ CONTENTEX\n-") || conf.contains("\n/host/etc/ CONTENTEX\n")
    );
    assert!(!conf.contains("/hostroot"));
}

#[test]
fn all_kinds_of_lines_are_converted() {
    let table = [
        (
            "@@define DBDIR /blah",
            "@@define DBDIR /hostroot/etc/kubernetes",
        ),
        (
            "  @@define\tLOGDIR   /b # c",
            "  @@define\tLOGDIR   /hostroot/etc/kubernetes # c",
        ),
        ("@@define DBDIR", "@@define DBDIR /hostroot/etc/kubernetes"),
        ("@@define OTHER /blah", "@@define OTHER /blah"),
        (
            "database=file:/var/x",
            "database=file:/hostroot/etc/kubernetes/aide.db.gz",
        ),
        (
            "database_in = file:/var/x",
            "database_in = file:/hostroot/etc/kubernetes/aide.db.gz",
        ),
        (
            "database_out=stdout",
            "database_out=file:/hostroot/etc/kubernetes/aide.db.gz.new",
        ),
        (
            "database_new=file:/var/x",
            "database_new=file:/hostroot/etc/kubernetes/aide.db.gz.new",
        ),
        (
            "database=file:./aide.db",
            "database=file:/hostroot/etc/kubernetes/aide.db.gz",
        ),
        (
            "database=",
            "database=file:/hostroot/etc/kubernetes/aide.db.gz",
        ),
        (
            "report_url=file:/var/x",
            "report_url=file:/hostroot/etc/kubernetes/aide.log.new",
        ),
        ("report_url=stdout", "report_url=stdout"),
        ("/etc/crowbar", "/hostroot/etc/crowbar"),
        (" \t/etc f R", " \t/hostroot/etc f R"),
        ("=/etc$ R", "=/hostroot/etc$ R"),
        ("!/etc", "!/hostroot/etc"),
        ("  -/etc d", "  -/hostroot/etc d"),
        // Rules that may match the entry of the root, which has no trailing slash.
        ("/", "/hostroot(/|$)"),
        ("/ d N", "/hostroot(/|$) d N"),
        ("/.* N", "/hostroot(/|$).* N"),
        ("/* N", "/hostroot(/|$)* N"),
        ("/[^/]*$ N", "/hostroot(/|$)[^/]*$ N"),
        ("/(etc)?$ N", "/hostroot(/|$)(etc)?$ N"),
        (r"/(\w)?\1$ N", r"/hostroot(?:/|$)(\w)?\1$ N"),
        ("-/", "-/hostroot(/|$)"),
        ("!/", "!/hostroot(/|$)"),
        ("!/.*$ d", "!/hostroot(/|$).*$ d"),
        ("!/(etc)?$", "!/hostroot/(etc)?$"),
        ("-/a\n!/(etc)?$", "-/hostroot/a\n!/hostroot(/|$)(etc)?$"),
        ("=/ N", "/hostroot(?=/?[^/]*$)(/|$) N"),
        // AIDE searches the host root first, so the order of these two would change.
        (
            "/ d N\n/etc M\n/etc/a M",
            "/hostroot(/|$) d N\n/hostroot(/)etc M\n/hostroot/etc/a M",
        ),
        ("/etc M\n/ N", "/hostroot/etc M\n/hostroot(/|$) N"),
        ("/$ N\n/etc M", "/hostroot$ N\n/hostroot/etc M"),
        // Each alternative is a path.
        (
            "/etc/pass.*$|/etc/shadow$ N",
            "/hostroot/etc/pass.*$|/hostroot/etc/shadow$ N",
        ),
        (
            r"!/a/.*~$|^/a/b/.*\.conf$",
            r"!/hostroot/a/.*~$|^/hostroot/a/b/.*\.conf$",
        ),
        (r"/a\|/b N", r"/hostroot/a\|/b N"),
        (r"/a[|]/b N", r"/hostroot/a[|]/b N"),
        (r"/a|.*\.conf$ N", r"/hostroot/a|/hostroot(?:.*\.conf$) N"),
        ("/hostroot/a|/b N", "/hostroot/a|/hostroot/b N"),
        (
            "@@define X a|/b\n/@@{X} N",
            "@@define X a|/b\n/hostroot/a|/hostroot/b N",
        ),
        (
            "@@define D /etc\n@@if exists @@{D}/x",
            "@@define D /etc\n@@if exists /hostroot@@{D}/x",
        ),
        (
            "@@define DBDIR /hostroot/etc/kubernetes\n@@if exists @@{DBDIR}/x",
            "@@define DBDIR /hostroot/etc/kubernetes\n@@if exists @@{DBDIR}/x",
        ),
        ("@@if exists @@{NONE}", "@@if exists @@{NONE}"),
        ("=/$ R", "=/hostroot$ R"),
        ("/(etc|usr) R", "/hostroot/(etc|usr) R"),
        ("/@@{X}/y R", "/hostroot/@@{X}/y R"),
        ("@@{NONE}/y R", "/hostroot@@{NONE}/y R"),
        ("@@{NONE}y R", "@@{NONE}y R"),
        ("!/hostroot/etc", "!/hostroot/etc"),
        ("/hostroot$ R", "/hostroot$ R"),
        ("/hostrooted R", "/hostroot/hostrooted R"),
        ("@@if exists /etc/x", "@@if exists /hostroot/etc/x"),
        ("@@if not exists /hostroot/x", "@@if not exists /hostroot/x"),
        ("@@if defined X", "@@if defined X"),
        ("# /etc R", "# /etc R"),
        ("other", "other"),
    ];
    for (text, expected) in table {
        assert_eq!(prepared(text).conf, expected);
        assert_eq!(prepared(expected).conf, expected);
    }
}

#[test]
fn macros_at_the_start_of_rules_are_expanded() {
    let conf = |text| prepared(text).conf;
    assert_eq!(
        conf("@@define D /etc\n!@@{D}/x\n"),
        "@@define D /etc\n!/hostroot@@{D}/x\n"
    );
    let own = "@@define DBDIR /hostroot/etc/kubernetes\n!@@{DBDIR}/aide.*\n";
    assert_eq!(conf(own), own);
    assert_eq!(
        conf("@@define DBDIR /var/lib/aide\n!@@{DBDIR}/aide.*\n"),
        own
    );
    let mixed = "@@define D /etc\n@@ifdef X\n@@define D /hostroot/etc\n@@endif\n@@{D}/x R\n";
    assert_eq!(refused(mixed)[0].line, 5);
}

#[test]
fn macros_that_depend_on_the_node_are_rejected() {
    let two = "@@define D /etc\n@@ifdef X\n@@define D /hostroot/etc\n@@endif\n";
    assert_eq!(
        refused(&format!("{two}@@if exists @@{{D}}\n@@endif\n"))[0].line,
        5
    );
    let two = "@@define D a\n@@ifdef X\n@@define D b|/c\n@@endif\n";
    assert_eq!(refused(&format!("{two}/x@@{{D}} p\n"))[0].line, 5);
    let attributes = "@@ifdef X\n@@define A p\n@@endif\n/etc @@{A}\n";
    let diagnostics = refused(attributes);
    assert_eq!(diagnostics[0].line, 4);
    assert!(
        diagnostics[0]
            .message
            .contains("does not accept macros in attribute expressions")
    );
}

#[test]
fn macros_that_0_19_does_not_accept_are_expanded() {
    let text = "@@define A p+u\n@@define T f,d\nN = @@{A}+sha256\n/etc @@{T} @@{A}\n\
                @@define DBDIR /x\n!@@{DBDIR}/aide.*\n";
    let Prepared {
        effective,
        warnings,
        ..
    } = prepared(text);
    let lines: Vec<&str> = effective.lines().collect();
    assert_eq!(lines[2], "N = p+u+sha256");
    assert_eq!(lines[3], "/hostroot/etc f,d p+u");
    assert_eq!(lines[5], "-/hostroot/etc/kubernetes/aide.*");
    let messages: Vec<usize> = warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(messages, [3, 4, 6]);
}

/// AIDE 0.16's manual: "Special characters in your filenames can be escaped using two-digit URL
/// encoding". Its scanner kept double backslashes, and `#` started a comment.
#[test]
fn paths_of_0_16_keep_their_meaning() {
    let text = "verbose=5\n@@define S My%20App\n/srv/@@{S} p\n/a%40b p\n/c\\\\.d p\n!/etc/mtab# why\n\
                /x%7C/y p\n/z%FF p\n/etc p\n";
    let Prepared {
        conf,
        effective,
        warnings,
    } = prepared(text);
    assert!(conf.contains("/hostroot/a%40b p\n"), "{conf}");
    let lines: Vec<&str> = effective.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            r"@@define S My\ App",
            "/hostroot/srv/@@{S} p",
            r"/hostroot/a\@b p",
            r"/hostroot/c\\\\.d p",
            "-/hostroot/etc/mtab",
            "/hostroot/x|/hostroot/y p",
            "/hostroot/z%FF p",
            "/hostroot/etc p",
        ]
    );
    let messages: BTreeSet<usize> = warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(
        messages.into_iter().collect::<Vec<_>>(),
        [1, 2, 4, 5, 6, 7, 8]
    );
    assert!(
        warnings
            .iter()
            .any(|one| one.line == 8 && one.text == "/z%FF p")
    );
}

/// If the version of the text is unknown, it is interpreted as by 0.17 and later, with a warning.
#[test]
fn paths_with_another_meaning_in_0_16_cause_warnings() {
    let text = "/etc p\n/a%20b p\n!/etc/mtab#x\n-/b\n";
    assert_eq!(prepared(text).warnings, []);
    let text = "/etc p\n/a%20b p\n!/etc/mtab#x\n";
    let Prepared {
        effective,
        warnings,
        ..
    } = prepared(text);
    assert_eq!(
        effective,
        "/hostroot/etc p\n/hostroot/a%20b p\n-/hostroot/etc/mtab#x\n"
    );
    let messages: Vec<usize> = warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(messages, [2, 3, 3]);
}

/// AIDE up to 0.16 entered an excluded directory if a rule names a path in it.
#[test]
fn a_rule_in_a_subdirectory_keeps_its_effect_of_0_16() {
    let effective = |text: &str| prepared(text).effective;
    let rules = "/etc/app p\n!/etc/app/sub$\n/etc/app/sub/deep p\n";
    assert!(
        effective(&format!("verbose=5\n{rules}"))
            .contains("\n!/hostroot/etc/app/sub$ f,d,l,c,b,p,s\n")
    );
    assert!(effective(rules).contains("\n-/hostroot/etc/app/sub$\n"));
    for (negative, entered) in [
        ("!/etc/app/s[tu]b$", true),
        ("!/etc/app/.*b$", true),
        ("!/etc/app/.*~$", false),
        ("!/etc/app/su$", false),
        ("!/etc/app/subs?$", true),
        ("!/usr/.*$", false),
        ("!/boot/.*b$", true),
        ("!/boot/grub$", true),
    ] {
        // The last rule partially matches directories of /boot.
        let text =
            format!("verbose=5\n/etc/app p\n{negative}\n/etc/app/sub/deep p\n/boot/.*\\.cfg$ p\n");
        assert_eq!(
            effective(&text).contains(" f,d,l,c,b,p,s\n"),
            entered,
            "{negative}"
        );
    }
    // Only the entry of /, in all versions.
    assert!(effective("/ p\n!/$\n").contains("\n!/hostroot$ f,d,l,c,b,p,s\n"));
}

#[test]
fn lines_whose_meaning_changes_cause_warnings() {
    for text in ["/etc p\n!/(etc)?$\n", "/etc p\n=/ p\n"] {
        let warnings = prepared(text).warnings;
        assert!(
            warnings
                .iter()
                .any(|one| one.line == 2 && one.message.contains('/')),
            "{text}"
        );
    }
}

#[test]
fn no_warning_quotes_the_host_root() {
    for text in [
        "/usr p\n",
        "/etc p\n!/(etc)?$\n",
        "verbose=5\n/etc p\n/a%20b p\n",
    ] {
        for warning in prepared(text).warnings {
            assert!(!warning.text.contains("hostroot"), "{warning}");
        }
    }
}

#[test]
fn a_macro_that_may_be_unset_does_not_lead_outside() {
    for text in [
        "@@define DBDIR /x\n@@undef DBDIR\ndatabase_out=file:@@{DBDIR}/aide.db\n",
        "@@ifdef X\n@@define DBDIR /x\n@@endif\ndatabase_out=file:@@{DBDIR}/aide.db\n",
        "database_out=file:@@{DBDIR}/aide.db\n@@define DBDIR /x\n",
    ] {
        let conf = prepared(text).conf;
        let expected = "database_out=file:/hostroot/etc/kubernetes/aide.db.gz.new\n";
        assert!(conf.contains(expected), "{conf}");
    }
}

#[test]
fn conditions_on_files_cause_warnings() {
    let text = "@@if exists /a\n@@if not exists /b\n@@if defined exists\n@@ifdef exists\n";
    let lines: Vec<usize> = conditions_on_files(text)
        .iter()
        .map(|one| one.line)
        .collect();
    assert_eq!(lines, [1, 2]);
}

#[test]
fn host_names_are_those_of_pods() {
    for text in [
        "@@ifhost a\n/etc p\n@@endif\n",
        "@@if not hostname a\n/etc p\n@@endif",
    ] {
        assert_eq!(prepared(text).warnings[0].line, 1);
    }
}

#[test]
fn a_second_else_is_left_for_aide_to_reject() {
    let text = "@@ifdef A\n\n@@else\n@@else\n@@endif\n/etc p\n";
    let effective = prepared(text).effective;
    assert_eq!(effective, text.replace("/etc", "/hostroot/etc"));
}

/// The lines that identify a text as one for 0.19 may be removed. A second conversion must not change its meaning.
#[test]
fn a_text_for_0_19_remains_one() {
    let text = "/etc p\n!/etc/a\n!/etc/b x =A A\n";
    let first = prepared(text).effective;
    let expected =
        "/hostroot/etc p\n!/hostroot/etc/a f,d,l,c,b,p,s\n!/hostroot/etc/b f,d,l,c,b,p,s\n";
    assert_eq!(first, expected);
    assert_eq!(prepared(&first).effective, expected);
}

/// The value of a macro after conversion applies to expressions.
#[test]
fn a_relocated_macro_in_an_expression_is_rejected() {
    let text = "@@ifdef X\n@@define DBDIR\n@@endif\n/etc @@{DBDIR}p\n";
    let refused = prepare(text, "/etc/kubernetes", "/hostroot").unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("line 4: AIDE 0.19 does not accept macros in attribute expressions"),
        "{refused}"
    );
}

#[test]
fn large_texts_are_converted_quickly() {
    for (line, count) in [
        ("my_a = p\n", MAX_LINES),
        ("@@ifdef X\n@@endif\n", MAX_LINES / 2),
        ("/a R\n", 50_000),
        ("!/a # b\n", 50_000),
        ("report_url=x\n", 80_000),
    ] {
        let text = line.repeat(count);
        let started = std::time::Instant::now();
        assert!(
            prepare(&text, "/etc/kubernetes", "/hostroot").is_ok(),
            "{line}"
        );
        assert!(started.elapsed().as_secs() < 60, "{line}");
    }
}

#[test]
fn unsafe_lines_are_rejected() {
    let texts = [
        "@@include /etc/shadow",
        "  \t@@include\t/etc/aide.d .*",
        "@@x_include /tmp/evil",
        "@@x_include /tmp ^evil$ /prefix",
        "@@x_include_setenv PATH /tmp",
        "@@includefoo",
        "@@define X y @@x_include /tmp/evil",
        "@@if defined X @@include /etc/shadow",
        "/etc R @@include /etc/shadow",
        "@@else @@include /etc/shadow",
        "database_out=file:/etc/cron.d/evil",
        "database_in=file:/var/run/secrets/kubernetes.io/serviceaccount/token",
        "database_new=file:///hostroot/etc/shadow",
        "database_out=file://localhost/etc/shadow",
        "database=file:/hostroot/root/aide.db",
        "database_out=file:/etc/kubernetes/../cron.d/x",
        "database_out=file:relative",
        "database_out=file:../aide.db",
        "database_out=file:x/../../aide.db",
        "report_url=file:/hostroot/root/.ssh/authorized_keys",
        "report_url = file:/etc/cron.d/evil",
        " report_url=file:@@{DBDIR}/../../etc/cron.d/x",
        "@@define X /hostroot/etc\ndatabase_out=file:@@{X}/cron.d/aide",
        "@@define X ..\nreport_url=file:/etc/kubernetes/@@{X}/cron.d/x",
        "@@define A file\n@@define B :/etc/cron.d/x\ndatabase_out=@@{A}@@{B}",
        "@@ifdef X\n@@define D /etc/cron.d\n@@endif\nreport_url=file:@@{D}/x",
        "/etc R\0+x",
        "\u{feff}database_out=file:/etc/cron.d/x",
        "\u{feff}\u{feff}database_out=file:/etc/cron.d/x",
        "sha256 = p",
        "@@define A @@{A}\n@@define B 0123456789012345678901234567890123456789\n\
         @@define B @@{B}@@{B}\n@@define B @@{B}@@{B}\n@@define B @@{B}@@{B}\n\
         @@define B @@{B}@@{B}\n@@define B @@{B}@@{B}\n@@define B @@{B}@@{B}\n\
         @@define B @@{B}@@{B}\n@@define B @@{B}@@{B}\n@@define B @@{B}@@{B}\n\
         @@define B @@{B}@@{B}\n",
    ];
    for text in texts {
        assert!(!refused(text).is_empty(), "{text}");
    }
}

#[test]
fn a_diagnostic_has_line_and_remedy() {
    let diagnostics = refused("/etc R\n@@include /a\n\ndatabase_out=file:/etc/x\n");
    insta::assert_json_snapshot!("refused", diagnostics);
    let refused = Refused { diagnostics };
    insta::assert_snapshot!("refused-text", refused);
}

#[test]
fn comments_may_contain_anything() {
    let text = "# @@include /etc/shadow\n  #database_out=file:/etc/x\n/etc R\n";
    assert_eq!(prepared(text).warnings, []);
}

#[test]
fn missing_rules_cause_warnings() {
    let messages = |text: &str| -> Vec<String> {
        prepared(text)
            .warnings
            .into_iter()
            .map(|warning| warning.message)
            .collect()
    };
    for text in ["", "# nothing\n", "-/etc\n", "NORMAL = p\n"] {
        assert_eq!(
            messages(text),
            ["no rule selects anything, so nothing is watched"],
            "{text:?}"
        );
    }
    for text in [
        "/usr p\n-/x\n",
        "/etcetera p\n-/x\n",
        "=/boot p\n-/x\n",
        "/\\.hidden p\n-/x\n",
    ] {
        assert_eq!(messages(text), ["no rule selects /etc"], "{text:?}");
    }
    for text in ["/ p\n-/etc\n", "/etc p\n-/etc$\n"] {
        assert_eq!(messages(text), ["the rule excludes /etc"], "{text:?}");
    }
    for text in [
        "/ p\n-/x\n",
        "/etc p\n-/x\n",
        "/(usr|etc) p\n-/x\n",
        "/e.* p\n-/etc/mtab$\n",
        "/etcx? p\n-/x\n",
        "/ p\n-/\\.hidden\n",
    ] {
        assert_eq!(messages(text), [""; 0], "{text:?}");
    }
}

#[test]
fn the_hash_is_sha256() {
    assert_eq!(
        config_hash(""),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

/// Lines of tokens with a meaning for AIDE.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("@@define DBDIR ".to_owned()),
        Just("@@define A ".to_owned()),
        Just("@@{A}".to_owned()),
        Just("@@{DBDIR}".to_owned()),
        Just("@@if exists ".to_owned()),
        Just("@@ifdef A\n".to_owned()),
        Just("@@else\n".to_owned()),
        Just("@@endif\n".to_owned()),
        Just("\ndatabase=".to_owned()),
        Just("\nreport_url=file:".to_owned()),
        Just("\nmy_group = p+tiger-".to_owned()),
        Just("\n!/etc".to_owned()),
        Just("\n-/".to_owned()),
        Just("\n=/hostroot".to_owned()),
        Just("\n/".to_owned()),
        Just(" d,f=ext ".to_owned()),
        Just("\u{feff}".to_owned()),
        "[ -~]{0,6}",
        "\\PC{0,4}",
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_returns_the_same_text(text in any_text()) {
        prop_assert_eq!(Configuration::parse(&text).to_string(), text);
    }

    #[test]
    fn a_second_conversion_has_no_effect(text in any_text()) {
        if let Ok(first) = prepare(&text, "/etc/kubernetes", "/hostroot") {
            let again = |text: &str| prepare(text, "/etc/kubernetes", "/hostroot");
            prop_assert_eq!(again(&first.conf).map(|again| again.conf), Ok(first.conf));
            let migrated = again(&first.effective).map(|again| again.effective);
            prop_assert_eq!(migrated, Ok(first.effective));
        }
    }

    #[test]
    fn lines_keep_their_numbers(text in any_text()) {
        if let Ok(prepared) = prepare(&text, "/etc/kubernetes", "/hostroot") {
            let count = |text: &str| Configuration::parse(text).lines().len();
            prop_assert_eq!(count(&prepared.conf), count(&text));
            prop_assert_eq!(count(&prepared.effective), count(&text));
        }
    }

    #[test]
    fn errors_of_aide_never_panic(stderr in "( *ERROR: )?(/c:)?[0-9:']{0,4}\\PC{0,40}", text in any_text()) {
        prop_assert!(aide_error(&stderr, &text, None, "/c").chars().count() <= 2048);
    }
}
