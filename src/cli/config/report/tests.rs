use super::*;

fn diagnostic() -> Diagnostic {
    Diagnostic {
        line: 3,
        text: "verbose=5".to_owned(),
        message: "verbose is not an option any more".to_owned(),
        remedy: "use log_level and report_level".to_owned(),
    }
}

fn report() -> Report {
    let mut report = Report::new(vec![diagnostic()], vec![diagnostic()], None);
    report.paths = vec![
        (
            "/etc/passwd".to_owned(),
            Answer {
                watched: true,
                kind: Some("selective rule".to_owned()),
                line: Some(4),
                attributes: Some("p+u".to_owned()),
            },
        ),
        (
            "/usr".to_owned(),
            Answer {
                watched: false,
                kind: None,
                line: None,
                attributes: None,
            },
        ),
    ];
    report
}

#[test]
fn the_report_as_text() {
    insta::assert_snapshot!(report().text("aide.conf", false));
    assert!(report().text("f", true).contains("\x1b[1;31merror\x1b[0m"));
}

#[test]
fn the_report_as_json() {
    insta::assert_json_snapshot!(report().json());
}

#[test]
fn a_path_that_is_not_watched_is_a_failure() {
    let mut report = report();
    assert!(!report.is_good());
    report.errors.clear();
    report.paths.truncate(1);
    assert!(report.is_good());
}
