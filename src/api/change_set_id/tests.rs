use super::*;

#[test]
fn a_set_has_a_whole_hash_and_its_first_digits() {
    let hash = names::sha256_hex("changes");
    let shown = ChangeSetId::shown(&hash);
    assert_eq!(shown, hash[..12]);
    let id = ChangeSetId::of_result(Some(&hash), Some(&shown)).unwrap();
    assert_eq!(id.to_string(), hash);
    let other = names::sha256_hex("others");
    for (what, hash, shown) in [
        ("counts only", Some(&*hash), None),
        ("no hash", None, Some(&*shown)),
        ("digits of another hash", Some(&*other), Some(&*shown)),
        ("fewer digits", Some(&*hash), Some(&hash[..11])),
        ("more digits", Some(&*hash), Some(&hash[..13])),
        ("a part of a hash", Some(&hash[..63]), Some(&*shown)),
        (
            "no hex",
            Some("/etc/passwd/etc/passwd"),
            Some("/etc/passwd/"),
        ),
        (
            "upper case",
            Some(&*hash.to_uppercase()),
            Some(&*shown.to_uppercase()),
        ),
    ] {
        assert_eq!(ChangeSetId::of_result(hash, shown), None, "{what}");
    }
}
