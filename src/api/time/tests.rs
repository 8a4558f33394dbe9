use super::*;

#[test]
fn an_invalid_time_is_the_epoch() {
    let read = |text: &str| lenient(serde_json::json!(text)).unwrap().0.to_string();
    assert_eq!(read("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
    for text in ["9999-12-31T23:59:59Z", "", "soon"] {
        assert_eq!(read(text), "1970-01-01T00:00:00Z", "{text}");
    }
}

#[test]
fn fractions_are_truncated_not_rounded() {
    let at: Timestamp = "2026-01-02T03:04:05.999Z".parse().unwrap();
    assert_eq!(whole_seconds(at).0.to_string(), "2026-01-02T03:04:05Z");
}
