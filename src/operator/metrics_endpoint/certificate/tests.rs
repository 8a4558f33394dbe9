//! Tests of certificates and their renewal.

use super::*;

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn made() -> Secret {
    renewed(None, "ns", now()).unwrap().unwrap()
}

#[test]
fn a_good_certificate_is_not_renewed() {
    let secret = made();
    assert_eq!(renewed(Some(&secret), "ns", now()).unwrap(), None);
    let almost = after(now(), RENEW_DAYS - 1);
    assert_eq!(renewed(Some(&secret), "ns", almost).unwrap(), None);
}

#[test]
fn the_ca_outlives_certificates() {
    let first = made();
    let second = renewed(Some(&first), "ns", after(now(), RENEW_DAYS))
        .unwrap()
        .unwrap();
    assert_ne!(text(&first, CERTIFICATE), text(&second, CERTIFICATE));
    for key in [CA_CERTIFICATE, CA_KEY] {
        assert_eq!(text(&first, key), text(&second, key));
    }
    assert_eq!(
        first.metadata.annotations.unwrap()[Annotation::RENEW_CA_AFTER],
        second.metadata.annotations.unwrap()[Annotation::RENEW_CA_AFTER]
    );
}

#[test]
fn a_new_ca_is_trusted_beside_the_old_one() {
    let first = made();
    let later = after(now(), RENEW_CA_DAYS);
    let second = renewed(Some(&first), "ns", later).unwrap().unwrap();
    let old = text(&first, CA_CERTIFICATE).unwrap().trim();
    let both = text(&second, CA_CERTIFICATE).unwrap();
    assert!(both.ends_with(old) && both.len() > old.len() + 100);
    assert_eq!(renewed(Some(&second), "ns", later).unwrap(), None);
}

#[test]
fn a_broken_secret_is_renewed() {
    let broken = |change: fn(&mut Secret)| {
        let mut secret = made();
        secret.metadata.resource_version = Some("7".to_owned());
        change(&mut secret);
        let new = renewed(Some(&secret), "ns", now()).unwrap();
        new.expect("it is renewed")
    };
    broken(|secret| secret.data = None);
    broken(|secret| secret.metadata.annotations = None);
    let other = made();
    let other = other.data.unwrap();
    let mut mixed = made();
    let data = mixed.data.as_mut().unwrap();
    data.insert(KEY.to_owned(), other[KEY].clone());
    assert!(renewed(Some(&mixed), "ns", now()).unwrap().is_some());
    let moved = renewed(Some(&made()), "elsewhere", now()).unwrap();
    assert!(moved.is_some(), "the names differ");
    let kept = broken(|secret| secret.data = None);
    assert_eq!(kept.metadata.resource_version.as_deref(), Some("7"));
}

/// Checked by the library that clients use.
#[test]
fn clients_can_verify_the_certificate() {
    use tokio_rustls::rustls::client::WebPkiServerVerifier;
    use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    let secret = made();
    let pem = |key: &str| CertificateDer::from_pem_slice(text(&secret, key).unwrap().as_bytes());
    let mut roots = tokio_rustls::rustls::RootCertStore::empty();
    roots.add(pem(CA_CERTIFICATE).unwrap()).unwrap();
    let provider = std::sync::Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
        .build()
        .unwrap();
    let at = std::time::Duration::from_secs(u64::try_from(now().as_second()).unwrap());
    for name in server_names("ns") {
        let name = ServerName::try_from(name).unwrap();
        let at = UnixTime::since_unix_epoch(at);
        verifier
            .verify_server_cert(&pem(CERTIFICATE).unwrap(), &[], &name, &[], at)
            .unwrap();
    }
}
