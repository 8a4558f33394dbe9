use super::*;

#[test]
fn permissions_are_converted_to_octal_digits() {
    for (text, expected) in [
        ("-rw-r--r--", Some(0o644)),
        ("drwxr-x---", Some(0o750)),
        ("-rwsr-xr-x", Some(0o4755)),
        ("-rwSr--r--", Some(0o4644)),
        ("-rwxr-sr-x", Some(0o2755)),
        ("drwxrwxrwt", Some(0o1777)),
        ("drwxrwxrwT", Some(0o1776)),
        ("----------", Some(0)),
        ("-rw-r--r-", None),
        ("-rw-r--r-?", None),
        ("-xw-r--r--", None),
        ("", None),
    ] {
        assert_eq!(octal_mode(text), expected, "{text}");
    }
}

#[test]
fn digests_are_converted_to_hexadecimal_digits() {
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    assert_eq!(hex_digest("sha256", base64).as_deref(), Some(hex));
    let upper = hex.to_uppercase();
    assert_eq!(hex_digest("sha256", &upper).as_deref(), Some(hex));
    for (attribute, text) in [
        ("sha256", "AAAA"),
        ("sha256", ""),
        ("sha512", base64),
        ("size", base64),
    ] {
        assert_eq!(hex_digest(attribute, text), None, "{attribute} {text}");
    }
}

#[test]
fn values_that_cannot_be_converted_are_left_out() {
    let detail = |name: &str, new: &str| (name.to_owned(), String::new(), new.to_owned());
    let change = Change {
        path: b"/a".to_vec(),
        kind: ChangeKind::Added,
        attributes: [].into(),
        new_values: None,
        details: vec![
            detail("size", "many"),
            detail("mtime", "2026-02-30 00:00:00 +0000"),
            detail("ctime", "2026-02-28 01:00:00 +0100"),
            detail("type", "Whiteout"),
        ],
        actor: None,
    };
    let values = FileValues::of(&change);
    assert_eq!(values.size(), None);
    assert_eq!(values.time("mtime"), None);
    let ctime = values.time("ctime").map(|time| time.to_string());
    assert_eq!(ctime.as_deref(), Some("2026-02-28T00:00:00Z"));
    assert_eq!(values.file_type(), None);
    assert_eq!(values.attributes()["size"]["new"], "many");
}
