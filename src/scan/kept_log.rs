//! The kept log: the ConfigMap with AIDE's reports of a failed scan. Pure but for reading the
//! reports, which may be far larger than memory and are read as streams.
//!
//! A ConfigMap takes 1,048,576 bytes of data in all (the API server's limit). Above 1,000,000 the
//! plain report is compressed; if that is not enough the JSON report is cut to its first changes;
//! if even then the plain report is too large, a sentence says where the whole is.

use std::io::{self, Read, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::Identity;
use crate::aide::report::{self, Report};
use crate::api::names;

/// As many bytes of data go into one ConfigMap; the rest of the API's limit is left to keys and
/// metadata.
const MAX_DATA: usize = 1_000_000;
/// As many changes stand in a JSON report that had to be cut, if their paths are not too long.
const CHANGES_WHEN_CUT: usize = 500;
/// Bytes of paths in it.
const PATHS_WHEN_CUT: usize = 250_000;
/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// AIDE's two reports of one scan.
#[derive(Debug)]
pub struct Reports<P, J> {
    /// The plain one.
    pub plain: P,
    /// The JSON one.
    pub json: J,
    /// Where the plain one lies on the node, for people.
    pub path_on_node: String,
}

/// What goes into the ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLog {
    /// Value of the key integritylog.
    pub log: String,
    /// Whether that is gzip and base64.
    pub compressed: bool,
    /// Value of the key report.json.gz.
    pub json_gz: Vec<u8>,
}

/// Reads both reports and fits them into what a ConfigMap takes.
pub fn fit<P: Read, J: Read>(
    identity: &Identity,
    report: &Report,
    reports: Reports<P, J>,
) -> io::Result<KeptLog> {
    let whole = if report.truncated {
        None
    } else {
        gzip_within(reports.json, MAX_DATA)?
    };
    let json_gz = match whole {
        Some(bytes) => bytes,
        None => cut_report(identity, report, &reports.path_on_node)?,
    };
    let mut plain = reports.plain;
    let mut start = Vec::new();
    (&mut plain)
        .take(MAX_DATA as u64 + 1)
        .read_to_end(&mut start)?;
    if let Some(log) = text_within(&start, MAX_DATA.saturating_sub(json_gz.len())) {
        return Ok(KeptLog {
            log,
            compressed: false,
            json_gz,
        });
    }
    compress(
        identity,
        report,
        start.chain(plain),
        json_gz,
        &reports.path_on_node,
    )
}

/// A ConfigMap's data is text: bytes of names that are not UTF-8 are written as \ooo, as AIDE
/// writes control characters. That makes four of one, so the text may be too long where the bytes
/// are not: none.
fn text_within(bytes: &[u8], room: usize) -> Option<String> {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        let length = chunk.valid().len() + 4 * chunk.invalid().len();
        if text.len() + length > room {
            return None;
        }
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\{byte:03o}")));
    }
    Some(text)
}

fn compress(
    identity: &Identity,
    report: &Report,
    plain: impl Read,
    json_gz: Vec<u8>,
    path: &str,
) -> io::Result<KeptLog> {
    let log = match gzip(plain, MAX_DATA / 4 * 3)? {
        Gzipped::Whole { bytes } => BASE64.encode(bytes),
        Gzipped::TooLarge { size } => {
            let log = too_large(size, path, &identity.node);
            return Ok(KeptLog {
                log,
                compressed: false,
                json_gz,
            });
        }
    };
    let json_gz = if log.len() + json_gz.len() > MAX_DATA {
        cut_report(identity, report, path)?
    } else {
        json_gz
    };
    if log.len() + json_gz.len() > MAX_DATA {
        let log = too_large(log.len() as u64, path, &identity.node);
        return Ok(KeptLog {
            log,
            compressed: false,
            json_gz,
        });
    }
    Ok(KeptLog {
        log,
        compressed: true,
        json_gz,
    })
}

/// The original's words, which people search for.
fn too_large(size: u64, path: &str, node: &str) -> String {
    format!(
        "compressed AIDE log is too large for a configMap ({size}) - fetch it from {path} on node {node}"
    )
}

/// A JSON report with all counts and the first changes, which says that it is not the whole.
fn cut_report(identity: &Identity, report: &Report, path: &str) -> io::Result<Vec<u8>> {
    let mut room = PATHS_WHEN_CUT;
    let changes: Vec<Value> = report
        .changes
        .iter()
        .take(CHANGES_WHEN_CUT)
        .map_while(|change| {
            let path = report::display_path(&change.path);
            room = room.checked_sub(path.len())?;
            Some(json!({
                "path": path,
                "kind": format!("{:?}", change.kind).to_lowercase(),
                "attributes": change.attributes[..],
            }))
        })
        .collect();
    let value = json!({
        "truncated": format!(
            "the first {} of {} changes; the whole report is {path} on node {}",
            changes.len(), report.differing(), identity.node
        ),
        "aide_version": report.aide_version,
        "number_of_entries": {
            "total": report.total,
            "added": report.added,
            "removed": report.removed,
            "changed": report.changed,
        },
        "changes": changes,
    });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(value.to_string().as_bytes())?;
    encoder.finish()
}

enum Gzipped {
    Whole {
        bytes: Vec<u8>,
    },
    /// It came to this many bytes, counted but not kept.
    TooLarge {
        size: u64,
    },
}

/// Compresses all of `input`, keeping at most `limit` bytes in memory.
fn gzip(mut input: impl Read, limit: usize) -> io::Result<Gzipped> {
    let mut encoder = encoder(limit);
    let mut chunk = vec![0; CHUNK];
    while copy(&mut input, &mut chunk, &mut encoder)? {}
    let out = encoder.finish()?;
    Ok(if out.is_too_large() {
        Gzipped::TooLarge { size: out.size }
    } else {
        Gzipped::Whole { bytes: out.kept }
    })
}

/// Compresses `input`, and gives up as soon as that comes to more than `limit` bytes.
fn gzip_within(mut input: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut encoder = encoder(limit);
    let mut chunk = vec![0; CHUNK];
    while copy(&mut input, &mut chunk, &mut encoder)? {
        if encoder.get_ref().is_too_large() {
            return Ok(None);
        }
    }
    let out = encoder.finish()?;
    Ok((!out.is_too_large()).then_some(out.kept))
}

fn encoder(limit: usize) -> GzEncoder<Bounded> {
    let out = Bounded {
        kept: Vec::new(),
        limit,
        size: 0,
    };
    GzEncoder::new(out, Compression::default())
}

/// Copies a chunk. False at the end.
fn copy(input: &mut impl Read, chunk: &mut [u8], output: &mut impl io::Write) -> io::Result<bool> {
    let count = input.read(chunk)?;
    output.write_all(&chunk[..count])?;
    Ok(count > 0)
}

/// Counts all that is written and keeps it while it is within the limit.
struct Bounded {
    kept: Vec<u8>,
    limit: usize,
    size: u64,
}

impl Bounded {
    fn is_too_large(&self) -> bool {
        self.size > self.limit as u64
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size += bytes.len() as u64;
        if self.is_too_large() {
            self.kept = Vec::new();
        } else {
            self.kept.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The ConfigMap, as the daemon applies it.
pub fn config_map(identity: &Identity, report: &Report, kept: &KeptLog) -> Value {
    let mut annotations = json!({
        names::ANNOTATION_FILES_ADDED: report.added.to_string(),
        names::ANNOTATION_FILES_CHANGED: report.changed.to_string(),
        names::ANNOTATION_FILES_REMOVED: report.removed.to_string(),
    });
    if kept.compressed {
        annotations[names::ANNOTATION_COMPRESSED] = json!("");
    }
    for (key, value) in [
        (names::LABEL_OWNER, &identity.file_integrity),
        (names::LABEL_NODE, &identity.node),
    ] {
        if names::label_is_shortened(value) {
            annotations[key] = json!(value);
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": identity.kept_log(),
            "namespace": identity.namespace,
            "labels": {
                names::LABEL_OWNER: names::label_value(&identity.file_integrity),
                names::LABEL_NODE: names::label_value(&identity.node),
                names::LABEL_RESULT_LOG: "",
            },
            "annotations": annotations,
        },
        "data": { names::KEY_INTEGRITY_LOG: kept.log },
        "binaryData": { names::KEY_JSON_REPORT: BASE64.encode(&kept.json_gz) },
    })
}

#[cfg(test)]
mod tests {
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

    fn fit_bytes(plain: &[u8], json: &[u8]) -> KeptLog {
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
        let kept = fit_bytes(b"a log", b"{}");
        assert_eq!((kept.log.as_str(), kept.compressed), ("a log", false));
        assert_eq!(gunzip(&kept.json_gz), b"{}");
    }

    #[test]
    fn bytes_that_are_not_text_are_escaped() {
        assert_eq!(
            fit_bytes(b"/etc/x\xffy \xc3\xa4", b"{}").log,
            "/etc/x\\377y \u{e4}"
        );
    }

    #[test]
    fn a_log_that_is_too_long_once_it_is_escaped_is_compressed_and_whole() {
        for count in [900, 3_000] {
            let mut log = Vec::new();
            for n in 0..count {
                log.extend(format!("f++++++++++++++++: /hostroot/etc/{n:05}").bytes());
                log.extend([0xff; 250]);
                log.push(b'\n');
            }
            assert!(log.len() < MAX_DATA, "{}", log.len());
            let kept = fit_bytes(&log, b"{}");
            assert!(kept.log.len() + kept.json_gz.len() <= MAX_DATA);
            assert_eq!(kept.compressed, count == 3_000);
            if kept.compressed {
                assert_eq!(gunzip(&BASE64.decode(&kept.log).unwrap()), log);
            } else {
                assert_eq!(kept.log.matches("\\377").count(), 250 * count);
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
    fn a_long_log_is_compressed_and_unpacks_to_the_whole() {
        let log = "f++++: /hostroot/etc/some/file\n".repeat(50_000);
        let kept = fit_bytes(log.as_bytes(), b"{}");
        assert!(kept.compressed);
        assert_eq!(gunzip(&BASE64.decode(&kept.log).unwrap()), log.as_bytes());
    }

    #[test]
    fn a_json_report_that_is_too_large_is_cut_and_says_so() {
        let kept = fit_bytes(b"a log", &noise(1_100_000));
        let cut: Value = serde_json::from_slice(&gunzip(&kept.json_gz)).unwrap();
        assert_eq!(cut["number_of_entries"]["added"], 3);
        assert!(
            cut["truncated"]
                .as_str()
                .unwrap()
                .contains("/etc/kubernetes/aide.log on node n1")
        );
        assert_eq!(kept.log, "a log");
    }

    #[test]
    fn a_log_that_is_too_large_even_so_is_said_to_be() {
        let kept = fit_bytes(&noise(1_200_000), b"{}");
        assert!(!kept.compressed);
        assert!(
            kept.log
                .starts_with("compressed AIDE log is too large for a configMap (1")
        );
        assert!(
            kept.log
                .ends_with(" - fetch it from /etc/kubernetes/aide.log on node n1")
        );
    }

    #[test]
    fn whatever_the_sizes_the_api_takes_it() {
        for (plain, json) in [
            (700_000, 400_000),
            (740_000, 990_000),
            (999_999, 10),
            (400_000, 650_000),
        ] {
            let kept = fit_bytes(&noise(plain), &noise(json));
            assert!(
                kept.log.len() + kept.json_gz.len() <= 1_048_576,
                "{plain} {json}"
            );
        }
    }

    #[test]
    fn the_cut_json_report_has_room_also_where_paths_are_long() {
        let change = |n: u64| report::Change {
            path: noise_from(n, 4000),
            kind: report::ChangeKind::Added,
            attributes: [].into(),
            new_values: None,
            details: Vec::new(),
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
        let kept = fit(&identity(), &report, reports).unwrap();
        assert!(kept.log.len() + kept.json_gz.len() <= MAX_DATA);
        let cut: Value = serde_json::from_slice(&gunzip(&kept.json_gz)).unwrap();
        let listed = cut["changes"].as_array().unwrap().len();
        assert!((10..100).contains(&listed), "{listed}");
        let said = format!("the first {listed} of 600 changes;");
        assert!(cut["truncated"].as_str().unwrap().starts_with(&said));
    }

    #[test]
    fn half_a_json_report_is_not_kept() {
        let reports = Reports {
            plain: &b"a log"[..],
            json: &b"{\"added"[..],
            path_on_node: "/etc/kubernetes/aide.log".to_owned(),
        };
        let report = Report {
            truncated: true,
            ..report()
        };
        let kept = fit(&identity(), &report, reports).unwrap();
        let cut: Value = serde_json::from_slice(&gunzip(&kept.json_gz)).unwrap();
        assert_eq!(cut["number_of_entries"]["changed"], 2);
    }

    #[test]
    fn the_whole_config_map() {
        let kept = KeptLog {
            log: "x".to_owned(),
            compressed: true,
            json_gz: vec![1, 2, 3],
        };
        insta::assert_json_snapshot!(config_map(&identity(), &report(), &kept));
    }
}
