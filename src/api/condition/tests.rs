//! Tests of the names in the API.

use super::*;

#[test]
fn words_are_those_of_the_api() {
    assert_eq!(ConditionType::ConfigValid.to_string(), "ConfigValid");
    assert_eq!(ConditionStatus::Unknown.as_str(), "Unknown");
    assert_eq!(ConditionReason::AsExpected.as_str(), "AsExpected");
    assert!(ConditionReason::ALL.contains(&ConditionReason::UntoleratedTaints));
}
