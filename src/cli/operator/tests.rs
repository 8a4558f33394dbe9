//! Tests of arguments.

use super::*;

#[test]
fn an_address_may_be_off() {
    assert_eq!("off".parse(), Ok(Address(None)));
    let address = "127.0.0.1:1".parse::<Address>().unwrap();
    assert_eq!(address.0, Some("127.0.0.1:1".parse().unwrap()));
    assert!("8383".parse::<Address>().is_err());
}

#[test]
fn a_runbook_url_is_the_url_of_a_page() {
    let url = "https://wiki.example/fio?page=1";
    assert_eq!(url.parse(), Ok(PageUrl(Some(url.to_owned()))));
    assert_eq!("".parse(), Ok(PageUrl(None)));
    for refused in [
        "wiki.example/fio",
        "https://wiki.example/fio#alerts",
        "https://wiki.example/{{ $labels.node }}",
        "javascript:alert(1)",
    ] {
        assert!(refused.parse::<PageUrl>().is_err(), "{refused}");
    }
}
