//! Tests of the URLs.

use super::*;

#[test]
fn the_page_is_the_copy_or_that_of_the_repository_or_its_path() {
    let repository = "https://git.example/fio";
    let copy = Some("https://wiki.example/fio");
    let of_repository = format!("{repository}/blob/v{VERSION}/docs/monitoring.md");
    for (url, repository, expected) in [
        (copy, repository, "https://wiki.example/fio"),
        (copy, "", "https://wiki.example/fio"),
        (None, repository, &of_repository),
        (None, "https://git.example/fio/", &of_repository),
        (None, "", "docs/monitoring.md"),
    ] {
        assert_eq!(page(url, repository), expected);
    }
}

#[test]
fn a_section_is_named_after_its_alert() {
    let runbooks = Runbooks::new(Some("https://wiki.example/fio"));
    let url = runbooks.url("FileIntegrityDegraded");
    assert_eq!(url, "https://wiki.example/fio#fileintegritydegraded");
}
