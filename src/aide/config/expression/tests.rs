use super::*;

#[test]
fn terms_are_removed() {
    let table = [
        ("p+tiger+u", "p+u", "p+sha256+u"),
        ("tiger+p", "p", "sha256+p"),
        ("p - tiger + u", "p+u", "p+u"),
        ("tiger-p", "", "sha256-p"),
        ("haval+tiger", "", "sha256"),
        ("tiger", "", "sha256"),
    ];
    for (text, nothing, name) in table {
        let unwanted = |name: &str| name == "tiger" || name == "haval";
        let span = 0..text.len();
        assert_eq!(
            without(text, &span, unwanted, &Replacement::Nothing),
            nothing,
            "{text}"
        );
        let replacement = Replacement::Name("sha256");
        assert_eq!(without(text, &span, unwanted, &replacement), name, "{text}");
    }
}
