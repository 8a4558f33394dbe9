//! The output of AIDE: standard error and version.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use crate::aide::stderr::{LongLine, Stderr};

/// Reads and classifies all lines, so that AIDE never blocks on a full pipe.
pub(super) async fn read_stderr(stream: Option<impl AsyncRead + Unpin>) -> Stderr {
    let mut stderr = Stderr::default();
    let Some(stream) = stream else {
        return stderr;
    };
    let mut stream = BufReader::new(stream);
    let mut line = LongLine::default();
    loop {
        let (used, is_complete) = match stream.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(bytes) => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                line.extend(&bytes[..end.unwrap_or(bytes.len())]);
                (end.map_or(bytes.len(), |end| end + 1), end.is_some())
            }
        };
        stream.consume(used);
        if is_complete {
            stderr.add(&line.take());
        }
    }
    stderr.add(&line.take());
    stderr
}

/// Parses the output of `--version`: `AIDE 0.19.1`, or `Aide 0.16` of earlier versions.
pub(super) fn parse_version(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("aide"))?;
    words
        .next()
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

/// Whether fio supports this version of AIDE (0.19 or later).
pub(super) fn is_supported(version: &str) -> bool {
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (0, 19)
}
