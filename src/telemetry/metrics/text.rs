//! The two text formats of metrics. Pure.
//!
//! The library writes OpenMetrics 1.0, where the HELP and TYPE lines of a counter lack the suffix `_total`,
//! and descriptions end with a full stop. Format 0.0.4 is converted from that text, so both have
//! the same values.
//!
//! The text for thousands of nodes has some megabytes, so only one metric at a time is buffered.

use std::fmt;
use std::io;

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Format 0.0.4, which every version of Prometheus supports.
    Plain,
    /// OpenMetrics 1.0, for clients that request it.
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Format {
    /// The format that an Accept header prefers (RFC 9110, section 12.5.1). The default is the plain
    /// format.
    pub(crate) fn accepted(accept: Option<&str>) -> Self {
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

    /// The content type of the response.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The first line of a metric starts with this.
const HELP: &str = "# HELP ";
/// The start of another metric.
const NEXT: &[u8] = b"\n# HELP ";

/// Receives OpenMetrics from the library and writes it in the requested format, metric by metric.
#[derive(Debug)]
pub(crate) struct Encoder<'a, W> {
    format: Format,
    out: &'a mut W,
    /// The metric that is not complete yet.
    buffer: String,
}

impl<'a, W: io::Write> Encoder<'a, W> {
    /// Creates an encoder that writes to `out`.
    pub(crate) fn new(format: Format, out: &'a mut W) -> Self {
        Self {
            format,
            out,
            buffer: String::new(),
        }
    }

    /// Writes the last metric.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush(self.buffer.len())
    }

    /// Writes and removes the first `length` bytes of the buffer.
    fn flush(&mut self, length: usize) -> io::Result<()> {
        let text = &self.buffer[..length];
        match self.format {
            Format::OpenMetrics => self.out.write_all(text.as_bytes())?,
            Format::Plain => write_plain(text, self.out)?,
        }
        self.buffer.drain(..length);
        Ok(())
    }
}

impl<W: io::Write> fmt::Write for Encoder<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The start of a metric may be split between two calls.
        let from = self.buffer.len().saturating_sub(NEXT.len());
        self.buffer.push_str(text);
        let added = self.buffer.as_bytes()[from..].windows(NEXT.len());
        match added.rev().position(|window| window == NEXT) {
            // The match is `back` bytes before the last window. The line feed belongs to the metric before.
            Some(back) => {
                let at = self.buffer.len() - NEXT.len() - back;
                self.flush(at + 1).map_err(|_| fmt::Error)
            }
            None => Ok(()),
        }
    }
}

/// The lines of a metric.
#[derive(Default)]
struct MetricText<'a> {
    name: &'a str,
    kind: &'a str,
    help: &'a str,
    samples: Vec<&'a str>,
}

/// Converts metrics from OpenMetrics to format 0.0.4. Omits metrics without samples.
fn write_plain(open: &str, out: &mut impl io::Write) -> io::Result<()> {
    let mut metric = MetricText::default();
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix(HELP) {
            metric.write(out)?;
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            metric = MetricText {
                name,
                help: help.strip_suffix('.').unwrap_or(help),
                ..MetricText::default()
            };
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            metric.kind = rest.rsplit(' ').next().unwrap_or_default();
        } else if !line.starts_with('#') {
            metric.samples.push(line);
        }
    }
    metric.write(out)
}

impl MetricText<'_> {
    fn write(&mut self, out: &mut impl io::Write) -> io::Result<()> {
        if self.samples.is_empty() {
            return Ok(());
        }
        // The buckets of a histogram are already in order.
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
mod tests;
