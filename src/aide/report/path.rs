//! Paths as text. Pure.

/// A path as text that is safe to print on one line and represents the bytes exactly. Bytes that are not printable
/// UTF-8 are escaped as in AIDE's plain report, as a backslash and three octal digits (newline: `\012`).
/// A backslash is `\134`.
pub(crate) fn display_path(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_printable(c) {
                text.push(c);
            } else {
                c.encode_utf8(&mut [0; 4])
                    .bytes()
                    .for_each(|byte| octal(&mut text, byte));
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|&byte| octal(&mut text, byte));
    }
    text
}

/// The bytes of a path that [`display_path`] has written. None for any other text.
pub(crate) fn exact_path(text: &str) -> Option<Vec<u8>> {
    let path = unescape(text.as_bytes());
    (display_path(&path) == text).then_some(path)
}

/// Whether a character is printable: not a control character, and without effect on the direction or the lines of the text.
pub(crate) fn is_printable(c: char) -> bool {
    !c.is_control()
        && c != '\\'
        && !matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

fn octal(text: &mut String, byte: u8) {
    text.push('\\');
    for shift in [6, 3, 0] {
        text.push(char::from(b'0' + (byte >> shift & 7)));
    }
}

/// Removes AIDE's escapes `\ooo`. Other backslashes are kept.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let (byte, length) = octal_at(text, at).map_or((byte, 1), |byte| (byte, 4));
        bytes.push(byte);
        at += length;
    }
    bytes
}

fn octal_at(text: &[u8], at: usize) -> Option<u8> {
    let [b'\\', digits @ ..] = text.get(at..at + 4)? else {
        return None;
    };
    let value = digits.iter().try_fold(0_u16, |value, digit| {
        matches!(digit, b'0'..=b'7').then(|| value * 8 + u16::from(digit - b'0'))
    })?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests;
