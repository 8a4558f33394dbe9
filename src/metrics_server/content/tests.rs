use super::*;

#[test]
fn gzip_is_accepted_unless_its_quality_is_zero() {
    let table = [
        (None, false),
        (Some("gzip"), true),
        (Some("deflate, GZIP;q=0.5"), true),
        (Some("gzip;q=0"), false),
        (Some("gzip; q=0.0, identity"), false),
        (Some("identity"), false),
    ];
    for (accept, expected) in table {
        assert_eq!(accepts_gzip(accept), expected, "{accept:?}");
    }
}
