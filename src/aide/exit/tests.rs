use super::*;

#[test]
fn bits_are_changes() {
    assert_eq!(decode(Some(0), None), CheckStatus::Clean);
    for bits in 1..=7 {
        let expected = CheckStatus::Changes {
            added: [1, 3, 5, 7].contains(&bits),
            removed: [2, 3, 6, 7].contains(&bits),
            changed: bits >= 4,
        };
        assert_eq!(decode(Some(bits), None), expected);
        assert_eq!(decode_plain(Some(bits), None), Err(AideError::Other(bits)));
    }
    assert_eq!(decode_plain(Some(0), None), Ok(()));
}

#[test]
fn errors_have_the_known_messages() {
    let table = [
        (
            Some(8),
            None,
            "AIDE error: 8 Unexpected error",
            "unexpected",
        ),
        (
            Some(14),
            None,
            "AIDE error: 14 Error writing error",
            "write",
        ),
        (
            Some(15),
            None,
            "AIDE error: 15 Invalid argument error",
            "argument",
        ),
        (
            Some(16),
            None,
            "AIDE error: 16 Unimplemented function error",
            "unimplemented",
        ),
        (
            Some(17),
            None,
            "AIDE error: 17 Invalid configureline error",
            "configuration",
        ),
        (Some(18), None, "AIDE error: 18 IO error", "io"),
        (
            Some(19),
            None,
            "AIDE error: 19 Version mismatch error",
            "version",
        ),
        (Some(20), None, "AIDE error: 20 Unexpected error", "exec"),
        (Some(21), None, "AIDE error: 21 Unexpected error", "lock"),
        (Some(22), None, "AIDE error: 22 Unexpected error", "memory"),
        (Some(23), None, "AIDE error: 23 Unexpected error", "thread"),
        (
            Some(24),
            None,
            "AIDE error: 24 Unexpected error",
            "database",
        ),
        (Some(25), None, "AIDE error: 25 Unexpected error", "signal"),
        (
            Some(255),
            None,
            "AIDE error: 255 Unexpected error",
            "unexpected",
        ),
        (
            None,
            Some(9),
            "AIDE error: killed by signal 9, possibly out of memory",
            "memory",
        ),
        (None, Some(11), "AIDE error: killed by signal 11", "signal"),
        (None, None, "AIDE error: -1 Unexpected error", "unexpected"),
    ];
    for (code, signal, message, class) in table {
        let CheckStatus::Error(error) = decode(code, signal) else {
            panic!("{message}")
        };
        assert_eq!(
            (error.message().as_str(), error.class().as_str()),
            (message, class)
        );
        assert_eq!(decode_plain(code, signal), Err(error));
        let passing = ["memory", "thread", "signal"].contains(&class);
        assert_eq!(error.may_pass(), passing, "{message}");
    }
}
