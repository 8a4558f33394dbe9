//! The two text formats in which metrics are told. Pure.
//!
//! The library writes OpenMetrics 1.0: there a counter's name has no `_total` in the lines that
//! describe it, and a description ends with a full stop. Format 0.0.4 is made from that text, so
//! that both tell the same values.
//!
//! The text of thousands of nodes is some megabytes, so no more of it is held than one metric's.

use std::fmt;
use std::io;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// What every Prometheus reads.
    Plain,
    /// OpenMetrics 1.0, for who asks for it.
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Format {
    /// The format that an Accept header prefers (RFC 9110, section 12.5.1); without a header, or
    /// where both are equally welcome to somebody who does not name OpenMetrics, the plain one.
    pub fn accepted(accept: Option<&str>) -> Self {
        let (mut open, mut plain) = (0.0_f32, 0.0_f32);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |q| q.parse().unwrap_or(0.0));
            match media {
                OPEN_METRICS => open = open.max(quality),
                "text/plain" | "text/*" | "*/*" => plain = plain.max(quality),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain {
            Self::OpenMetrics
        } else {
            Self::Plain
        }
    }

    /// The content type to answer with.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What each metric begins with in OpenMetrics.
const HELP: &str = "# HELP ";
/// What each but the first one does.
const NEXT: &[u8] = b"\n# HELP ";

/// Takes OpenMetrics from the library, and passes it on in a format, metric by metric.
#[derive(Debug)]
pub struct Teller<'a, W> {
    format: Format,
    out: &'a mut W,
    /// What is not passed on yet: one metric, or its beginning.
    metric: String,
}

impl<'a, W: io::Write> Teller<'a, W> {
    /// One that writes to `out`.
    pub fn new(format: Format, out: &'a mut W) -> Self {
        Self {
            format,
            out,
            metric: String::new(),
        }
    }

    /// Writes what is left; to be called at the end.
    pub fn finish(mut self) -> io::Result<()> {
        self.pass_on(self.metric.len())
    }

    /// Passes the first `length` bytes on.
    fn pass_on(&mut self, length: usize) -> io::Result<()> {
        let text = &self.metric[..length];
        match self.format {
            Format::OpenMetrics => self.out.write_all(text.as_bytes())?,
            Format::Plain => plain(text, self.out)?,
        }
        self.metric.drain(..length);
        Ok(())
    }
}

impl<W: io::Write> fmt::Write for Teller<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The piece may begin amid the words with which the next metric does.
        let from = self.metric.len().saturating_sub(NEXT.len());
        self.metric.push_str(text);
        let added = self.metric.as_bytes()[from..].windows(NEXT.len());
        match added.rev().position(|window| window == NEXT) {
            // One that is before the last window by so much, and the line feed.
            Some(back) => {
                let at = self.metric.len() - NEXT.len() - back;
                self.pass_on(at + 1).map_err(|_| fmt::Error)
            }
            None => Ok(()),
        }
    }
}

/// A metric with its lines.
#[derive(Default)]
struct Described<'a> {
    name: &'a str,
    kind: &'a str,
    help: &'a str,
    samples: Vec<&'a str>,
}

/// Writes format 0.0.4 of what `open`, one or more metrics, says in OpenMetrics. Metrics without a
/// value are left out.
fn plain(open: &str, out: &mut impl io::Write) -> io::Result<()> {
    let mut described = Described::default();
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix(HELP) {
            described.write(out)?;
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            described = Described {
                name,
                help: help.strip_suffix('.').unwrap_or(help),
                ..Described::default()
            };
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            described.kind = rest.rsplit(' ').next().unwrap_or_default();
        } else if !line.starts_with('#') {
            described.samples.push(line);
        }
    }
    described.write(out)
}

impl Described<'_> {
    fn write(&mut self, out: &mut impl io::Write) -> io::Result<()> {
        if self.samples.is_empty() {
            return Ok(());
        }
        // The buckets of a histogram have an order of their own.
        if self.kind != "histogram" {
            self.samples.sort_unstable();
        }
        let suffix = if self.kind == "counter" { "_total" } else { "" };
        let Self {
            name, kind, help, ..
        } = self;
        writeln!(out, "{HELP}{name}{suffix} {help}")?;
        writeln!(out, "# TYPE {name}{suffix} {kind}")?;
        for sample in &self.samples {
            writeln!(out, "{sample}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn open_metrics_is_for_who_prefers_it() {
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
    fn counters_get_their_name_back_and_empty_metrics_are_left_out() {
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
        let told = |format, piece: usize| {
            let mut out = Vec::new();
            let mut teller = Teller::new(format, &mut out);
            for piece in open.as_bytes().chunks(piece) {
                teller
                    .write_str(std::str::from_utf8(piece).unwrap())
                    .unwrap();
            }
            teller.finish().unwrap();
            String::from_utf8(out).unwrap()
        };
        for piece in 1..=open.len() {
            assert_eq!(
                told(Format::Plain, piece),
                expected,
                "{piece} bytes at a time"
            );
            assert_eq!(told(Format::OpenMetrics, piece), open);
        }
    }
}
