//! Tests of the annotation for holds.

use super::super::super::reinit::fixtures::annotated;
use super::*;

#[test]
fn holdoff_names_all_or_some() {
    let fi = |value: &str| annotated(&[(names::Annotation::HOLDOFF, value)]);
    let held = |value: &str| is_held_by_user(&fi(value), "n1");
    assert!(held("") && held(" ") && held("n2, n1") && !held("n2"));
    assert!(!held(",") && !held(" , ,"));
    assert!(holds_no_node(&fi(",")));
    assert!(!holds_no_node(&fi("")));
    assert!(!is_held_by_user(&annotated(&[]), "n1"));
}
