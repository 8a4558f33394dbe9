//! Names in AIDE's databases. Pure.
//!
//! AIDE writes some bytes of a name as `%XX` (`encode_string` in `util.c`): those that are not printable ASCII
//! characters, and some others, such as spaces and `%`.

/// The bytes of a name. None if AIDE has not written it in this way.
pub(super) fn decode(name: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    loop {
        match rest {
            [] => return Some(bytes),
            [b'%', high, low, after @ ..] => {
                let byte = digit(*high)? << 4 | digit(*low)?;
                // It would end the name.
                bytes.push(Some(byte).filter(|byte| *byte != 0)?);
                rest = after;
            }
            [b'%', ..] => return None,
            [byte, after @ ..] => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
}

fn digit(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}
