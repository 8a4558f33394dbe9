use std::io::Read as _;

use super::*;
use crate::scan::identity;

fn report() -> Report {
    Report {
        added: 3,
        removed: 1,
        changed: 2,
        ..Report::default()
    }
}

fn fit_bytes(plain: &[u8], json: &[u8]) -> FailureLog {
    let reports = Reports {
        plain,
        json,
        path_on_node: "/etc/kubernetes/aide.log".to_owned(),
    };
    fit(&identity(), &report(), reports).unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut out)
        .unwrap();
    out
}

/// Bytes that do not compress, from a fixed linear congruential generator.
fn noise(length: usize) -> Vec<u8> {
    noise_from(1, length)
}

fn noise_from(mut state: u64, length: usize) -> Vec<u8> {
    let step = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(step).collect()
}

#[test]
fn a_short_log_stays_readable() {
    let content = fit_bytes(b"a log", b"{}");
    assert_eq!((content.log.as_str(), content.compressed), ("a log", false));
    assert_eq!(gunzip(&content.json_gz), b"{}");
}

#[test]
fn bytes_that_are_not_text_are_escaped() {
    assert_eq!(
        fit_bytes(b"/etc/x\xffy \xc3\xa4", b"{}").log,
        "/etc/x\\377y \u{e4}"
    );
}

#[test]
fn a_log_that_is_too_long_when_escaped_is_compressed_completely() {
    for count in [900, 3_000] {
        let mut log = Vec::new();
        for n in 0..count {
            log.extend(format!("f++++++++++++++++: /hostroot/etc/{n:05}").bytes());
            log.extend([0xff; 250]);
            log.push(b'\n');
        }
        assert!(log.len() < MAX_DATA, "{}", log.len());
        let content = fit_bytes(&log, b"{}");
        assert!(content.log.len() + content.json_gz.len() <= MAX_DATA);
        assert_eq!(content.compressed, count == 3_000);
        if content.compressed {
            assert_eq!(gunzip(&BASE64.decode(&content.log).unwrap()), log);
        } else {
            assert_eq!(content.log.matches("\\377").count(), 250 * count);
        }
    }
}

#[test]
fn the_text_has_as_much_room_as_the_json_report_leaves() {
    assert_eq!(text_within(b"a\xffb", 6).as_deref(), Some("a\\377b"));
    assert_eq!(text_within(b"a\xffb", 5), None);
    assert_eq!(text_within(b"", 0).as_deref(), Some(""));
}

#[test]
fn a_long_log_is_compressed_completely() {
    let log = "f++++: /hostroot/etc/some/file\n".repeat(50_000);
    let content = fit_bytes(log.as_bytes(), b"{}");
    assert!(content.compressed);
    assert_eq!(
        gunzip(&BASE64.decode(&content.log).unwrap()),
        log.as_bytes()
    );
}

#[test]
fn a_json_report_that_is_too_large_is_truncated() {
    let content = fit_bytes(b"a log", &noise(1_100_000));
    let cut: Value = serde_json::from_slice(&gunzip(&content.json_gz)).unwrap();
    assert_eq!(cut["number_of_entries"]["added"], 3);
    assert!(
        cut["truncated"]
            .as_str()
            .unwrap()
            .contains("/etc/kubernetes/aide.log on node n1")
    );
    assert_eq!(content.log, "a log");
}

#[test]
fn a_log_that_is_too_large_is_replaced_by_its_path() {
    let content = fit_bytes(&noise(1_200_000), b"{}");
    assert!(!content.compressed);
    assert!(
        content
            .log
            .starts_with("compressed AIDE log is too large for a configMap (1")
    );
    assert!(
        content
            .log
            .ends_with(" - fetch it from /etc/kubernetes/aide.log on node n1")
    );
}

#[test]
fn every_combination_of_sizes_is_within_the_limit_of_the_api() {
    for (plain, json) in [
        (700_000, 400_000),
        (740_000, 990_000),
        (999_999, 10),
        (400_000, 650_000),
    ] {
        let content = fit_bytes(&noise(plain), &noise(json));
        assert!(
            content.log.len() + content.json_gz.len() <= 1_048_576,
            "{plain} {json}"
        );
    }
}

#[test]
fn a_truncated_json_report_of_long_paths_is_within_the_limit() {
    let change = |n: u64| report::Change {
        path: noise_from(n, 4000),
        kind: report::ChangeKind::Added,
        attributes: [].into(),
        new_values: None,
        details: Vec::new(),
        actor: None,
    };
    let report = Report {
        added: 600,
        changes: (0..600).map(change).collect(),
        ..Report::default()
    };
    let reports = Reports {
        plain: &noise(1_200_000)[..],
        json: &noise(1_200_000)[..],
        path_on_node: "/etc/kubernetes/aide.log".to_owned(),
    };
    let content = fit(&identity(), &report, reports).unwrap();
    assert!(content.log.len() + content.json_gz.len() <= MAX_DATA);
    let cut: Value = serde_json::from_slice(&gunzip(&content.json_gz)).unwrap();
    let listed = cut["changes"].as_array().unwrap().len();
    assert!((10..100).contains(&listed), "{listed}");
    let expected = format!("the first {listed} of 600 changes;");
    assert!(cut["truncated"].as_str().unwrap().starts_with(&expected));
}

#[test]
fn an_incomplete_json_report_is_replaced_by_a_truncated_one() {
    let reports = Reports {
        plain: &b"a log"[..],
        json: &b"{\"added"[..],
        path_on_node: "/etc/kubernetes/aide.log".to_owned(),
    };
    let report = Report {
        truncated: true,
        ..report()
    };
    let content = fit(&identity(), &report, reports).unwrap();
    let cut: Value = serde_json::from_slice(&gunzip(&content.json_gz)).unwrap();
    assert_eq!(cut["number_of_entries"]["changed"], 2);
}

#[test]
fn the_whole_config_map() {
    let content = FailureLog {
        log: "x".to_owned(),
        compressed: true,
        json_gz: vec![1, 2, 3],
    };
    insta::assert_json_snapshot!(config_map(&identity(), &report(), &content));
}
