use super::*;

#[test]
fn series_are_summed_by_name_and_labels() {
    let text =
        "# TYPE a counter\na_total{verb=\"get\",code=\"200\"} 2\na_total{verb=\"list\"} 3\na 7\n";
    assert!((sum(text, "a_total", "verb=\"get\"") - 2.0).abs() < 1e-9);
    assert!((sum(text, "a_total", "") - 5.0).abs() < 1e-9);
    assert!((sum(text, "a", "") - 7.0).abs() < 1e-9);
}

#[test]
fn connected_sockets_are_distinguished_from_listening_ones() {
    let table = "sl local rem st tx tr retr uid timeout inode\n\
                 0: 0100007F:1F91 00000000:0000 0A 0:0 0:0 0 0 0 11 1\n\
                 1: 0100007F:A000 0100007F:1F91 01 0:0 0:0 0 0 0 12 1\n";
    assert_eq!(established(table).collect::<Vec<_>>(), ["12"]);
}
