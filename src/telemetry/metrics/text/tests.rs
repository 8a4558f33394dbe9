use std::fmt::Write as _;

use super::*;

#[test]
fn open_metrics_is_used_if_it_is_preferred() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let table = [
        (None, Format::Plain),
        (Some("*/*"), Format::Plain),
        (Some("text/plain"), Format::Plain),
        (Some(prometheus), Format::OpenMetrics),
        (
            Some("application/openmetrics-text;q=0.1, text/plain"),
            Format::Plain,
        ),
        (
            Some("application/openmetrics-text;q=0, */*;q=0"),
            Format::Plain,
        ),
        (Some("application/openmetrics-text"), Format::OpenMetrics),
    ];
    for (accept, expected) in table {
        assert_eq!(Format::accepted(accept), expected, "{accept:?}");
    }
}

#[test]
fn plain_text_has_suffixes_of_counters_and_no_empty_metrics() {
    let open = "\
# HELP a The a.
# TYPE a counter
a_total{x=\"2\"} 1
a_total{x=\"1\"} 1
# HELP none Nothing.
# TYPE none gauge
# HELP h_seconds Time.
# TYPE h_seconds histogram
h_seconds_sum 0.2
h_seconds_count 1
h_seconds_bucket{le=\"0.1\"} 0
h_seconds_bucket{le=\"+Inf\"} 1
# EOF
";
    let expected = "\
# HELP a_total The a
# TYPE a_total counter
a_total{x=\"1\"} 1
a_total{x=\"2\"} 1
# HELP h_seconds Time
# TYPE h_seconds histogram
h_seconds_sum 0.2
h_seconds_count 1
h_seconds_bucket{le=\"0.1\"} 0
h_seconds_bucket{le=\"+Inf\"} 1
";
    let encoded = |format, piece: usize| {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(format, &mut out);
        for piece in open.as_bytes().chunks(piece) {
            encoder
                .write_str(std::str::from_utf8(piece).unwrap())
                .unwrap();
        }
        encoder.finish().unwrap();
        String::from_utf8(out).unwrap()
    };
    for piece in 1..=open.len() {
        assert_eq!(
            encoded(Format::Plain, piece),
            expected,
            "{piece} bytes at a time"
        );
        assert_eq!(encoded(Format::OpenMetrics, piece), open);
    }
}
