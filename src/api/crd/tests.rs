use super::*;

#[test]
fn the_manifest_in_the_checkout_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/crd/crds.yaml");
    let manifest = std::fs::read_to_string(path).unwrap();
    assert!(
        manifest == yaml().unwrap(),
        "{path} is not the output of fio crd; run make crd"
    );
}
