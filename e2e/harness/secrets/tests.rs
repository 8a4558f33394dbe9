use super::*;

#[test]
fn what_is_secret_is_found_and_not_repeated() {
    let secret = "MHcCAQEEIJ0123456789abcdef";
    let known = [(
        "tls.key of Secret s".to_owned(),
        format!("a\n{secret}\nb\n"),
    )];
    let table = [
        ("all is well, a token was asked for", None),
        ("a b", None),
        (
            "read MHcCAQEEIJ0123456789abcdef!",
            Some("tls.key of Secret s is in the log"),
        ),
        (
            "token=eyJhbGciOiJSUzI1NiJ9",
            Some("what begins with \"eyJhbGciOi\" is in the log"),
        ),
        (
            "Authorization: Bearer x",
            Some("what begins with \"Bearer \" is in the log"),
        ),
        (
            "-----BEGIN EC PRIVATE KEY-----",
            Some("what begins with \"PRIVATE KEY-----\" is in the log"),
        ),
    ];
    for (text, expected) in table {
        let found = is_clean(text, &known, "the log").err();
        let message = found.map(|error| error.to_string());
        assert_eq!(message.as_deref(), expected, "{text}");
    }
}
