use clap::ValueEnum as _;

use super::*;

#[test]
fn every_visible_command_has_a_page() {
    let pages = pages().unwrap();
    let mut names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "fio-accept.1",
            "fio-changes.1",
            "fio-completion.1",
            "fio-config-check.1",
            "fio-config-convert.1",
            "fio-config-coverage.1",
            "fio-config-default.1",
            "fio-config.1",
            "fio-crd.1",
            "fio-daemon.1",
            "fio-diff.1",
            "fio-exclude.1",
            "fio-explain.1",
            "fio-hold.1",
            "fio-logcollector.1",
            "fio-logs.1",
            "fio-man.1",
            "fio-operator.1",
            "fio-reinit-signal.1",
            "fio-reinit.1",
            "fio-report.1",
            "fio-resume.1",
            "fio-scan.1",
            "fio-status.1",
            "fio-version.1",
            "fio-wait.1",
            "fio.1",
        ]
    );
    for (name, page) in pages {
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}: {page}");
        assert!(
            !page.contains("check-folder"),
            "{name} has a hidden command"
        );
    }
}

#[test]
fn every_shell_completes_the_commands() {
    for shell in Shell::value_variants() {
        let script = String::from_utf8(script(*shell)).unwrap();
        assert!(script.contains("reinit-signal"), "{shell}");
    }
}
