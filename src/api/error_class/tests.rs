use super::*;

#[test]
fn every_class_is_parsed_from_its_name() {
    for class in ErrorClass::ALL {
        let parsed = ReportedErrorClass::parse(Some(class.as_str()));
        assert_eq!(parsed, ReportedErrorClass::Known(*class));
        assert_eq!(parsed.as_str(), class.to_string());
    }
}

#[test]
fn an_unknown_class_is_reported_as_other() {
    for name in [
        None,
        Some(""),
        Some("x\"} 1\n"),
        Some("Tampered"),
        Some("other"),
    ] {
        let parsed = ReportedErrorClass::parse(name);
        assert_eq!(
            (parsed, parsed.as_str()),
            (ReportedErrorClass::Other, "other")
        );
    }
}
