use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;

fn object(value: Value) -> ConfigMap {
    serde_json::from_value(value).unwrap()
}

fn compressed(log: &[u8]) -> ConfigMap {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(log).unwrap();
    let log = BASE64.encode(encoder.finish().unwrap());
    let (start, end) = log.split_at(log.len() / 2);
    object(json!({
        "metadata": {"annotations": {"file-integrity.openshift.io/compressed": ""}},
        "data": {"integritylog": format!("{start}\n{end}\n")},
    }))
}

#[test]
fn logs_of_all_forms_are_unpacked() {
    let plain = object(json!({"data": {"integritylog": "Summary:\n\tfile: /etc/\u{1b}[31m"}}));
    assert_eq!(text(&plain).unwrap(), "Summary:\n\tfile: /etc/\\033[31m\n");
    assert_eq!(
        text(&compressed(b"f: /a\xff\x1b\n")).unwrap(),
        "f: /a\u{fffd}\\033\n"
    );
    let sentence =
        "compressed AIDE log is too large for a configMap (1) - fetch it from /x on node n";
    let too_large = object(json!({"data": {"integritylog": sentence}}));
    assert_eq!(text(&too_large).unwrap(), format!("{sentence}\n"));
}

#[test]
fn other_texts_are_refused_with_the_reason() {
    let without = object(json!({"data": {"x": "y"}}));
    assert_eq!(text(&without).unwrap_err(), "it has no integritylog");
    let mut odd = compressed(b"x");
    let data = odd.data.as_mut().unwrap();
    data.insert("integritylog".to_owned(), "!".to_owned());
    assert!(
        text(&odd)
            .unwrap_err()
            .starts_with("it is not encoded as base64")
    );
    odd.data
        .as_mut()
        .unwrap()
        .insert("integritylog".to_owned(), BASE64.encode("x"));
    assert!(
        text(&odd)
            .unwrap_err()
            .starts_with("it is not compressed with gzip")
    );
}

#[test]
fn a_small_log_that_grows_is_cut() {
    let zeros = vec![b'x'; usize::try_from(MAX_LOG).unwrap() + 10];
    let text = text(&compressed(&zeros)).unwrap();
    assert!(text.ends_with("\n... the log is longer; the whole one is on the node\n"));
    assert!(text.len() < zeros.len() + 100);
}
