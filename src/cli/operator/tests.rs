//! Tests of arguments.

use super::*;

#[test]
fn an_address_may_be_off() {
    assert_eq!("off".parse(), Ok(Address(None)));
    let address = "127.0.0.1:1".parse::<Address>().unwrap();
    assert_eq!(address.0, Some("127.0.0.1:1".parse().unwrap()));
    assert!("8383".parse::<Address>().is_err());
}
