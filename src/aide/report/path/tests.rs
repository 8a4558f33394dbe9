use proptest::prelude::*;

use super::*;

#[test]
fn paths_are_escaped() {
    let table: [(&[u8], &str); 5] = [
        (b"/etc/a b", "/etc/a b"),
        (b"/a\nb", "/a\\012b"),
        (b"/a\\012", "/a\\134012"),
        (b"/\xff\xc3\xa4", "/\\377\u{e4}"),
        ("/\u{202e}txt".as_bytes(), "/\\342\\200\\256txt"),
    ];
    for (path, text) in table {
        assert_eq!(display_path(path), text);
    }
}

proptest! {
    #[test]
    fn printing_returns_the_parsed_text(path: Vec<u8>) {
        let text = display_path(&path);
        prop_assert!(!text.chars().any(char::is_control));
        prop_assert_eq!(unescape(text.as_bytes()), path);
    }
}
