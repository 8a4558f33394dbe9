//! Converted configurations with a real AIDE.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;

use sha2::{Digest as _, Sha256};

use super::tests::TEXTS;
use super::{aide_error, prepare};
use crate::aide::exit::{AideError, CheckStatus, decode, decode_plain};
use crate::aide::report::{ChangeKind, Report, display_path};
use crate::api::names::hex;
use crate::testing::aide_binary::Node;

const CHANGED: CheckStatus = CheckStatus::Changes {
    added: false,
    removed: false,
    changed: true,
};

fn kinds(report: &Report) -> Vec<(String, ChangeKind)> {
    report
        .changes
        .iter()
        .map(|change| (display_path(&change.path), change.kind))
        .collect()
}

#[test]
fn aide_accepts_all_texts_after_migration() {
    for (name, text) in TEXTS {
        let node = Node::new();
        let output = node.aide("--config-check", &node.prepare(text).effective);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {stderr}");
        // AIDE's warnings are about deprecated options that still work.
        let unexpected: Vec<&str> = stderr
            .lines()
            .filter(|line| !line.contains("DEPRECATED") || line.contains("ERROR"))
            .collect();
        assert_eq!(unexpected, [""; 0], "{name}");
    }
}

#[test]
fn only_own_files_are_excluded() {
    let node = Node::new();
    let files = [
        "etc/kubernetes/aide.d/x",
        "etc/kubernetes/aidex",
        "etc/x/aide.y",
    ];
    for file in files {
        node.write(file, "");
    }
    let selected = node.selected("/etc/kubernetes f p\n/etc/x f p\n");
    assert_eq!(selected, files.map(|file| format!("/{file}")));
}

#[test]
fn negative_rules_keep_their_meaning() {
    let node = Node::new();
    for file in ["etc/a/b/c", "etc/d", "etc/e", "dev/null", "dev/shm/x"] {
        node.write(file, "");
    }
    let old = "/ p\n!/dev$\n!/etc/a\n!/etc/e f\n!/etc/kubernetes\n";
    assert_eq!(node.selected(old), ["/", "/etc", "/etc/d"]);
    // `0` means no restriction, and prevents AIDE's warning about rules without one.
    let explicit = "/ 0 p\n!/dev$ 0\n!/etc/a$ 0\n!/etc/e f\n!/etc/kubernetes\n";
    assert_eq!(node.selected(explicit), ["/", "/etc", "/etc/d"]);
    assert_eq!(node.selected("=/$ p\n"), ["/"]);
    // `-` identifies the file as one for 0.19, where `!` excludes only the entry of the directory.
    let new = "/ p\n!/dev$\n-/etc$\n";
    assert_eq!(
        node.selected(new),
        ["/", "/dev/null", "/dev/shm", "/dev/shm/x"]
    );
}

#[test]
fn the_order_of_rules_is_kept() {
    let node = Node::new();
    node.write("etc/first", "1");
    node.write("etc/second", "1");
    let effective = node
        .prepare("/etc/fir p\n/etc/.*s sha256\n/etc/second p\n")
        .effective;
    node.init(&effective);
    node.write("etc/first", "2");
    node.write("etc/second", "2");
    let (_, report) = node.check(&effective);
    assert_eq!(
        kinds(&report),
        [("/etc/second".to_owned(), ChangeKind::Changed)]
    );
}

#[test]
fn content_is_watched_without_unsupported_digests() {
    for text in [
        "OLD = tiger+haval\n/etc p+OLD\n",
        "/etc whirlpool\n",
        "NORMAL = p+u+g+crc32\n/etc NORMAL\n",
        "my_group = p+crc32b\n/etc my_group\n",
        "/etc R+tiger\n",
    ] {
        let node = Node::new();
        node.write("etc/passwd", "root1");
        let effective = node.prepare(text).effective;
        node.init(&effective);
        node.write("etc/passwd", "root2");
        let (status, report) = node.check(&effective);
        assert_eq!(status, CHANGED, "{text}");
        assert!(kinds(&report).contains(&("/etc/passwd".to_owned(), ChangeKind::Changed)));
    }
}

/// A text that would hide a change, or redirect the report, has no such effect after conversion.
#[test]
fn options_of_the_user_cannot_hide_changes() {
    for text in [
        "report_level=minimal\n",
        "report_quiet=yes\nreport_grouped=no\nreport_summarize_changes=no\nreport_base16=yes\n",
        "report_ignore_changed_attrs=sha256\n",
        "E = sha256\nreport_ignore_changed_attrs=E\np = sha256\n",
        "@@if defined X\n@@else\nreport_ignore_changed_attrs=sha256\n@@endif\n",
        "ignore_list=sha256\n",
        "root_prefix=/hostroot\n",
        "report_url=stdout\nreport_url=syslog:LOG_AUTH\nreport_url=fd:1\n",
        "database_attrs=E\ngzip_dbout=no\nnum_workers=0\nlog_level=trace\nverbose=255\n",
        "report_append=yes\nreport_format=plain\nreport_detailed_init=yes\n",
        "database_out=stdout\ndatabase_in=stdin\n",
    ] {
        let node = Node::new();
        node.write("etc/passwd", "root");
        let effective = node.prepare(&format!("{text}/etc sha256\n")).effective;
        let init = node.init(&effective);
        assert_eq!(
            init.database_digest,
            Some(hex(&Sha256::digest(node.database()))),
            "{text}"
        );
        node.write("etc/passwd", "toor");
        let output = node.aide("--check", &effective);
        assert_eq!(output.stdout, b"", "{text}");
        let (status, report) = node.check(&effective);
        assert_eq!(status, CHANGED, "{text}");
        assert_eq!(
            kinds(&report),
            [("/etc/passwd".to_owned(), ChangeKind::Changed)],
            "{text}"
        );
    }
}

/// Attempts to hide an option or an include from a parser of lines. They are not rejected, so they must have no effect.
#[test]
fn hidden_lines_have_no_effect() {
    for hidden in [
        "report_url=file:{file}",
        "database_out=file:{file}",
        "@@define X y",
    ] {
        for text in [
            "@@if defined X\n/etc p\n@@else {hidden}\n/usr p\n@@endif\n",
            "@@if defined X\n/etc p\n@@endif {hidden}\n",
            "@@define A b {hidden}\n/etc p\n",
            "@@undef A {hidden}\n/etc p\n",
            "config_version=1 {hidden}\n/etc p\n",
            "/etc p\r{hidden}\n",
            "# comment\r{hidden}\n/etc p\n",
            "\u{b}{hidden}\n/etc p\n",
            "\u{a0}{hidden}\n/etc p\n",
            "@@if x\nversion_ge 1\n{hidden}\n@@endif\n/etc p\n",
            "@@if x\n#version_ge 1 {hidden}\n@@endif\n/etc p\n",
            "@@if x\\\n{hidden}\n@@endif\n/etc p\n",
            "/etc p\\\n{hidden}\n",
            "X = p {hidden}\n/etc p\n",
        ] {
            let node = Node::new();
            node.write("etc/passwd", "root");
            let file = node.aside.path().join("aide.hidden");
            let hidden = hidden.replace("{file}", file.to_str().unwrap());
            let Ok(prepared) = prepare(
                &text.replace("{hidden}", &hidden),
                "/etc/kubernetes",
                node.root(),
            ) else {
                continue;
            };
            node.aide("--init", &prepared.effective);
            node.aide("--check", &prepared.effective);
            assert!(!file.exists(), "{text:?} {hidden}");
        }
    }
}

/// The same for programs: if one runs, it was not rejected.
#[test]
fn programs_never_run() {
    for text in [
        "@@x_include {program}\n",
        "@@if x\nversion_ge 1\n@@x_include {program}\n@@endif\n",
        "@@define A @@x_include\n@@{A} {program}\n",
        "@@define A x_include\n@@@@{A} {program}\n",
        "@@\\x_include {program}\n",
        "# a\r@@x_include {program}\n",
        "\u{feff}@@x_include {program}\n",
        "\0@@x_include {program}\n",
    ] {
        let node = Node::new();
        let program = node.aside.path().join("program");
        let proof = node.aside.path().join("proof");
        fs::write(&program, format!("#!/bin/sh\n: >{}\n", proof.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let text = text.replace("{program}", program.to_str().unwrap());
        if let Ok(prepared) = prepare(&text, "/etc/kubernetes", node.root()) {
            node.aide("--config-check", &prepared.effective);
            assert!(!proof.exists(), "{text:?}");
        }
        // AIDE would run this program.
        node.aide(
            "--config-check",
            &format!("@@x_include {}\n", program.display()),
        );
        assert!(proof.exists());
    }
}

/// Even a configuration that was not converted cannot override fio's own options.
#[test]
fn own_options_override_any_configuration() {
    let node = Node::new();
    node.write("etc/passwd", "root");
    let root = node.root();
    let effective = format!(
        "database_in=file:{root}/elsewhere\ndatabase_out=file:{root}/elsewhere\n\
         log_level=trace\nnum_workers=0\nreport_level=minimal\nreport_quiet=yes\nE=sha256\n\
         report_ignore_changed_attrs=sha256\ndatabase_attrs=E\n{root}/etc sha256\n"
    );
    node.init(&effective);
    assert!(!node.path("elsewhere").exists());
    node.write("etc/passwd", "toor");
    let (status, report) = node.check(&effective);
    assert_eq!((status, report.changes.len()), (CHANGED, 1));
    assert!(report.database_digest.is_some());
}

#[test]
fn own_files_are_not_reported() {
    let node = Node::new();
    let effective = node.prepare("/ p+sha256\n").effective;
    node.init(&effective);
    for file in [
        "aide.log",
        "aide.log.new",
        "aide.log.backup-20251124T06_30_00",
        "aide.db.gz.new",
        "aide.db.gz.backup-20251124T06_30_00",
        "aide.baseline.json",
        "aide.baseline.json.new",
        "aide.baseline.conf",
        "aide.baseline.conf.new",
        "aide.accepted.json.new",
        "aide.accepted.json.0123456789abcdef",
        "aide.backup.new",
        "aide.lock",
        "aide.reinit",
    ] {
        node.write(format!("etc/kubernetes/{file}"), "ours");
    }
    assert_eq!(node.check(&effective).0, CheckStatus::Clean);
    node.write("etc/kubernetes/other", "");
    let (_, report) = node.check(&effective);
    assert_eq!(
        kinds(&report),
        [("/etc/kubernetes/other".to_owned(), ChangeKind::Added)]
    );
}

#[test]
fn empty_branches_are_filled() {
    let node = Node::new();
    for text in [
        "@@ifdef X\nreport_quiet=yes\n@@endif\n/etc p\n",
        "@@ifdef X\n\n@@else\n# nothing\n@@endif\n/etc p\n",
        "@@ifdef X\n/usr p\n@@else\nverbose=5\nverbose=6\n@@endif\n/etc p\n",
        "@@ifdef X\n@@endif\n@@if defined X\n@@else\n@@endif\n@@ifhost a\n/usr p\n@@else\n@@endif\n/etc p\n",
        "@@ifndef X\n@@ifhost a\n@@endif\n@@endif\n/etc p\n",
        "@@ifdef X\n@@ifdef Y\nroot_prefix=/a\n@@endif\n@@endif\n/etc p",
    ] {
        let output = node.aide("--config-check", &node.prepare(text).effective);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{text}: {stderr}");
    }
}

#[test]
fn errors_have_the_line_of_the_user() {
    let table = [
        (
            "/usr p\n/etc NONE\n",
            "line 2: group 'NONE' is not defined (`{root}/etc NONE`)",
        ),
        (
            "/usr p\r\n/etc\tNONE\r\n",
            "line 2: group 'NONE' is not defined (`{root}/etc\\011NONE`)",
        ),
        (
            "/etc p+(\n",
            "line 1: unexpected character: '(' (`{root}/etc p+(`)",
        ),
        (
            "/etc/( p\n",
            "line 1: error in rule '{root}/etc/(': missing closing parenthesis (`{root}/etc/( p`)",
        ),
        // There are no continuation lines.
        (
            "/usr p\n/etc p+\\\nu\n",
            "line 2: unexpected character: '\\' (`{root}/etc p+\\`)",
        ),
        (
            "config_verzion=1\n",
            "line 1: unknown config option: 'config_verzion' (`config_verzion=1`)",
        ),
        (
            "@@define A /x\n/@@{A}[ p\n",
            "line 2: error in rule '…': missing terminating ] for character class (`{root}/@@{A}[ p`)",
        ),
    ];
    for (text, expected) in table {
        let node = Node::new();
        let effective = node.prepare(text).effective;
        let output = node.aide("--config-check", &effective);
        let ended = decode_plain(output.status.code(), output.status.signal());
        assert_eq!(ended, Err(AideError::Configuration), "{text}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let message = aide_error(&stderr, &effective, None, &node.config_file());
        assert_eq!(message, expected.replace("{root}", &escaped_root(&node)));
    }
}

/// The root, escaped for rules.
fn escaped_root(node: &Node) -> String {
    node.root().replace('.', "\\.")
}

#[test]
fn other_errors_are_unchanged() {
    let node = Node::new();
    let effective = node.prepare("/etc p\n").effective;
    let output = node.aide("--check", &effective);
    assert_eq!(
        decode(output.status.code(), None),
        CheckStatus::Error(AideError::Io)
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    let message = aide_error(&stderr, &effective, None, &node.config_file());
    assert!(
        message.contains("aide.db.gz") && message.contains("No such file"),
        "{message}"
    );
}
