use super::*;

fn new_certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["metrics.ns.svc".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn served(certificates: &Certificates) -> Option<Vec<u8>> {
    certificates.read(|choice| {
        let key = choice.mounted.as_ref().or(choice.own.as_ref())?;
        Some(key.cert[0].to_vec())
    })
}

#[test]
fn the_mounted_certificate_is_preferred_and_an_invalid_one_is_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let certificates = Certificates::default();
    let mut known = None;
    let mut reload = || certificates.reload(directory.path(), &mut known);

    reload();
    assert_eq!(served(&certificates), None);
    let (certificate, key) = new_certificate();
    certificates
        .set_own(certificate.as_bytes(), key.as_bytes())
        .unwrap();
    let own = served(&certificates);

    let (certificate, key) = new_certificate();
    put(CERTIFICATE_FILE, &certificate);
    reload();
    assert_eq!(served(&certificates), own, "the key is missing");
    put(KEY_FILE, &key);
    reload();
    let mounted = served(&certificates);
    assert_ne!(mounted, own);

    put(KEY_FILE, &new_certificate().1);
    reload();
    assert_eq!(
        served(&certificates),
        mounted,
        "the key belongs to another certificate"
    );
    std::fs::remove_file(directory.path().join(KEY_FILE)).unwrap();
    reload();
    assert_eq!(served(&certificates), own);
    assert!(!certificates.is_mounted());
}
