use super::*;

/// Invalid names, some of which would change the path of a request.
const HOSTILE: [&str; 18] = [
    "",
    ".",
    "..",
    "a/b",
    "/",
    "ns/secrets?x=",
    "a?b",
    "a#b",
    "a%2fb",
    "a..b",
    "../b",
    "a\nb",
    "a\0b",
    "a b",
    "a,b=c",
    "A",
    "-a",
    "\u{e9}",
];

#[test]
fn invalid_names_are_rejected() {
    for text in HOSTILE {
        assert!(ObjectName::parse(text).is_err(), "{text:?}");
        assert!(NamespaceName::parse(text).is_err(), "{text:?}");
    }
    for text in HOSTILE
        .iter()
        .filter(|text| !matches!(**text, "a..b" | "A" | "-a"))
    {
        assert!(DataKey::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn names_up_to_the_maximum_length_are_valid() {
    for (longest, parse) in [
        (
            253,
            (|text| ObjectName::parse(text).is_ok()) as fn(&str) -> bool,
        ),
        (63, |text| NamespaceName::parse(text).is_ok()),
        (253, |text| DataKey::parse(text).is_ok()),
    ] {
        assert!(parse("a") && parse("0-9") && parse(&"a".repeat(longest)));
        assert!(!parse(&"a".repeat(longest + 1)));
    }
    assert!(ObjectName::parse("a.b-c.d0").is_ok());
    assert!(NamespaceName::parse("a.b").is_err());
    assert!(DataKey::parse("Aide_16.conf").is_ok());
}

#[test]
fn an_error_quotes_a_short_text_without_control_characters() {
    let error = NamespaceName::parse("a\u{1b}[31m\nb").unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"a\\u{1b}[31m\\nb\" is not the name of a namespace: a name has at most 63 lower-case letters, \
         digits and '-', and begins and ends with a letter or digit"
    );
    let long = ObjectName::parse(&"/".repeat(100_000)).unwrap_err();
    assert!(long.to_string().len() < 300, "{long}");
}
