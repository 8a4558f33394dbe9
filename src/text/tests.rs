use super::*;

#[test]
fn start_and_end_remain() {
    let table = [
        ("abc", 3, "abc"),
        ("abcdefghij", 7, "ab…ij"),
        ("abcdefghij", 8, "ab…hij"),
        ("äöüßäöüß", 9, "ä…ß"),
        ("abcdef", 3, "…"),
    ];
    for (text, limit, expected) in table {
        let mut shortened = text.to_owned();
        shorten_middle(&mut shortened, limit);
        assert_eq!(shortened, expected);
        assert!(shortened.len() <= limit, "{shortened}");
    }
}
