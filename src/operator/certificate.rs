//! The operator's own certificate for its metrics, signed by a CA of its own, where nobody else
//! brings one. Pure, but for the random numbers in keys.
//!
//! Both are in one Secret, so that standbys serve the same certificate and Prometheus can be told
//! which CA to trust. When each is due is written beside them. A new CA is added to the old one in
//! `ca.crt`, so that who trusts the old one goes on trusting until it is gone.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::core::ObjectMeta;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::api::names;

/// The certificate, PEM.
pub const CERTIFICATE: &str = "tls.crt";
/// Its key, PEM.
pub const KEY: &str = "tls.key";
/// The certificate of the CA, PEM.
pub const CA_CERTIFICATE: &str = "ca.crt";
/// The CA's key, PEM.
const CA_KEY: &str = "ca.key";

/// When the certificate is to be renewed.
const ANNOTATION_RENEW: &str = "file-integrity.openshift.io/renew-after";
/// When the CA is to be renewed.
const ANNOTATION_RENEW_CA: &str = "file-integrity.openshift.io/renew-ca-after";
/// The names that the certificate is for.
const ANNOTATION_NAMES: &str = "file-integrity.openshift.io/certificate-names";

const DAY: SignedDuration = SignedDuration::from_hours(24);
const CERTIFICATE_DAYS: i32 = 365;
const RENEW_DAYS: i32 = 245;
const CA_DAYS: i32 = 3650;
const RENEW_CA_DAYS: i32 = 3285;
/// What the CA calls itself.
const CA_NAME: &str = "file-integrity-operator metrics CA";

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("make a certificate for the metrics")]
pub struct IssueError(#[from] rcgen::Error);

/// The names under which the metrics of this namespace's operator are reached.
pub fn server_names(namespace: &str) -> [String; 2] {
    let service = format!("{}.{namespace}.svc", names::METRICS_SERVICE);
    let whole = format!("{service}.cluster.local");
    [service, whole]
}

/// The Secret as it should be; none where the one that is there will do.
pub fn due(
    existing: Option<&Secret>,
    namespace: &str,
    now: Timestamp,
) -> Result<Option<Secret>, IssueError> {
    let server_names = server_names(namespace);
    let annotation = |key: &str| {
        existing?
            .metadata
            .annotations
            .as_ref()?
            .get(key)
            .map(String::as_str)
    };
    let is_later = |key: &str| {
        let at = annotation(key).and_then(|at| at.parse::<Timestamp>().ok());
        at.is_some_and(|at| at > now)
    };
    let ca = existing
        .filter(|_| is_later(ANNOTATION_RENEW_CA))
        .and_then(Ca::of);
    let fits = annotation(ANNOTATION_NAMES) == Some(server_names.join(",").as_str());
    if ca.is_some() && fits && is_later(ANNOTATION_RENEW) && existing.is_some_and(has_pair) {
        return Ok(None);
    }
    let (ca, renew_ca) = match (ca, annotation(ANNOTATION_RENEW_CA)) {
        (Some(ca), Some(renew)) => (ca, renew.to_owned()),
        _ => (
            Ca::new(existing, now)?,
            after(now, RENEW_CA_DAYS).to_string(),
        ),
    };
    let (certificate, key) = ca.sign(&server_names, now)?;
    let mut secret = existing.cloned().unwrap_or_else(|| empty(namespace));
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(
        ANNOTATION_RENEW.to_owned(),
        after(now, RENEW_DAYS).to_string(),
    );
    annotations.insert(ANNOTATION_RENEW_CA.to_owned(), renew_ca);
    annotations.insert(ANNOTATION_NAMES.to_owned(), server_names.join(","));
    secret.data = Some(BTreeMap::from(
        [
            (CERTIFICATE, certificate),
            (KEY, key),
            (CA_CERTIFICATE, ca.certificates),
            (CA_KEY, ca.key.serialize_pem()),
        ]
        .map(|(key, pem)| (key.to_owned(), ByteString(pem.into_bytes()))),
    ));
    Ok(Some(secret))
}

fn empty(namespace: &str) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(names::OWN_CERT_SECRET.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some("kubernetes.io/tls".to_owned()),
        ..Secret::default()
    }
}

/// The value of a key, as text.
fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}

/// The certificate and its key, PEM.
pub fn pair(secret: &Secret) -> Option<(&[u8], &[u8])> {
    let data = secret.data.as_ref()?;
    Some((&data.get(CERTIFICATE)?.0, &data.get(KEY)?.0))
}

fn has_pair(secret: &Secret) -> bool {
    pair(secret).is_some_and(|(certificate, key)| {
        crate::metrics_server::Certificates::default()
            .set_own(certificate, key)
            .is_ok()
    })
}

struct Ca {
    key: KeyPair,
    /// PEM, the newest first.
    certificates: String,
}

impl Ca {
    fn of(secret: &Secret) -> Option<Self> {
        Some(Self {
            key: KeyPair::from_pem(text(secret, CA_KEY)?).ok()?,
            certificates: text(secret, CA_CERTIFICATE)
                .filter(|pem| !pem.is_empty())?
                .to_owned(),
        })
    }

    /// A new one, beside the newest one before.
    fn new(existing: Option<&Secret>, now: Timestamp) -> Result<Self, IssueError> {
        let key = KeyPair::generate()?;
        let mut params = Self::params();
        set_validity(&mut params, now, CA_DAYS);
        let mut certificates = params.self_signed(&key)?.pem();
        let before = existing.and_then(Self::of).map(|ca| ca.certificates);
        if let Some(newest) = before.as_deref().and_then(first_pem) {
            certificates.push_str(newest);
        }
        Ok(Self { key, certificates })
    }

    /// What is the same of every certificate of ours: who signs needs no more of it.
    fn params() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, CA_NAME);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    /// A certificate for these names, and its key, PEM.
    fn sign(&self, names: &[String], now: Timestamp) -> Result<(String, String), IssueError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        set_validity(&mut params, now, CERTIFICATE_DAYS);
        params.distinguished_name.remove(DnType::CommonName);
        if let Some(name) = names.first() {
            params
                .distinguished_name
                .push(DnType::CommonName, name.as_str());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::new(Self::params(), &self.key);
        let certificate = params.signed_by(&key, &issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

fn first_pem(text: &str) -> Option<&str> {
    const END: &str = "-----END CERTIFICATE-----";
    let end = text.find(END)? + END.len();
    text.get(..end)
}

fn after(now: Timestamp, days: i32) -> Timestamp {
    now.checked_add(DAY * days).unwrap_or(Timestamp::MAX)
}

/// Makes it valid from yesterday, for who has another clock, to so many days from now.
fn set_validity(params: &mut CertificateParams, now: Timestamp, days: i32) {
    let (from, to) = (date(after(now, -1)), date(after(now, days)));
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
}

/// Year, month and day.
fn date(at: Timestamp) -> (i32, u8, u8) {
    let date: Date = at.to_zoned(TimeZone::UTC).date();
    let part = |n: i8| n.unsigned_abs();
    (date.year().into(), part(date.month()), part(date.day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn made() -> Secret {
        due(None, "ns", now()).unwrap().unwrap()
    }

    #[test]
    fn one_that_will_do_is_left() {
        let secret = made();
        assert_eq!(due(Some(&secret), "ns", now()).unwrap(), None);
        let almost = after(now(), RENEW_DAYS - 1);
        assert_eq!(due(Some(&secret), "ns", almost).unwrap(), None);
    }

    #[test]
    fn the_ca_outlives_certificates() {
        let first = made();
        let second = due(Some(&first), "ns", after(now(), RENEW_DAYS))
            .unwrap()
            .unwrap();
        assert_ne!(text(&first, CERTIFICATE), text(&second, CERTIFICATE));
        for key in [CA_CERTIFICATE, CA_KEY] {
            assert_eq!(text(&first, key), text(&second, key));
        }
        assert_eq!(
            first.metadata.annotations.unwrap()[ANNOTATION_RENEW_CA],
            second.metadata.annotations.unwrap()[ANNOTATION_RENEW_CA]
        );
    }

    #[test]
    fn a_new_ca_is_trusted_beside_the_old_one() {
        let first = made();
        let later = after(now(), RENEW_CA_DAYS);
        let second = due(Some(&first), "ns", later).unwrap().unwrap();
        let old = text(&first, CA_CERTIFICATE).unwrap().trim();
        let both = text(&second, CA_CERTIFICATE).unwrap();
        assert!(both.ends_with(old) && both.len() > old.len() + 100);
        assert_eq!(due(Some(&second), "ns", later).unwrap(), None);
    }

    #[test]
    fn what_somebody_broke_is_made_anew() {
        let broken = |change: fn(&mut Secret)| {
            let mut secret = made();
            secret.metadata.resource_version = Some("7".to_owned());
            change(&mut secret);
            let new = due(Some(&secret), "ns", now()).unwrap();
            new.expect("it is due")
        };
        broken(|secret| secret.data = None);
        broken(|secret| secret.metadata.annotations = None);
        let other = made();
        let other = other.data.unwrap();
        let mut mixed = made();
        let data = mixed.data.as_mut().unwrap();
        data.insert(KEY.to_owned(), other[KEY].clone());
        assert!(due(Some(&mixed), "ns", now()).unwrap().is_some());
        let moved = due(Some(&made()), "elsewhere", now()).unwrap();
        assert!(moved.is_some(), "the names are others");
        let kept = broken(|secret| secret.data = None);
        assert_eq!(kept.metadata.resource_version.as_deref(), Some("7"));
    }

    /// The chain is one that a client accepts: the same library that a client uses checks it.
    #[test]
    fn the_ca_vouches_for_the_certificate() {
        use tokio_rustls::rustls::client::WebPkiServerVerifier;
        use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
        use tokio_rustls::rustls::crypto::ring;
        use tokio_rustls::rustls::pki_types::pem::PemObject as _;
        use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};

        let secret = made();
        let pem =
            |key: &str| CertificateDer::from_pem_slice(text(&secret, key).unwrap().as_bytes());
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
}
