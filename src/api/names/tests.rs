use super::*;

#[test]
fn short_names_are_not_hashed() {
    assert_eq!(daemon_set("example"), "aide-example");
    assert_eq!(reinit_daemon_set("example", None), "aide-ini-example");
    assert_eq!(
        reinit_daemon_set("example", Some("n1")),
        "aide-ini-example-n1"
    );
    assert_eq!(node_status("example", "n1"), "example-n1");
    assert_eq!(failure_log("aide-example", "n1"), "aide-example-n1-failed");
}

/// The expected values come from `printf %s aide-aaa… | sha1sum`.
#[test]
fn names_of_64_and_more_characters_are_hashed_as_in_the_original() {
    let just_fits = "a".repeat(58);
    assert_eq!(daemon_set(&just_fits), format!("aide-{just_fits}"));
    let too_long = "a".repeat(59);
    assert_eq!(
        daemon_set(&too_long),
        "aide329f631b8229daeea89a70e409f7a7c2b9603b10"
    );
    assert_eq!(
        reinit_daemon_set(&too_long, None),
        "aide-ini53477af35767178b346f94737a64fba6359ad13a"
    );
}

#[test]
fn long_label_values_consist_of_46_characters_and_a_hash() {
    let fits = "n".repeat(63);
    assert_eq!(label_value(&fits), fits);
    let long = "n".repeat(64);
    let short = label_value(&long);
    assert_eq!(short.len(), 63);
    assert_eq!(&short[..47], &format!("{}-", "n".repeat(46)));
    assert_eq!(&short[47..], &sha256_hex(&long)[..16]);
    assert!(label_is_shortened(&long) && !label_is_shortened(&fits));
}

#[test]
fn object_names_have_at_most_253_characters() {
    let name = node_status(&"f".repeat(200), &"n".repeat(100));
    assert_eq!(name.len(), 253);
    assert_ne!(name, node_status(&"f".repeat(200), &"n".repeat(101)));
}

#[test]
fn non_ascii_text_is_not_cut_inside_a_character() {
    let short = label_value(&"ä".repeat(40));
    assert!(short.len() <= 63);
}
