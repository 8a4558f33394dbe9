//! The operator's own certificate for its metrics, signed by its own CA. It is used if nobody else
//! provides one. Pure, except for random numbers in keys.
//!
//! Both are in one Secret, so that standbys serve the same certificate and Prometheus can trust the CA.
//! Annotations have the times of their renewals. A new CA is added to the old one in `ca.crt`, so that clients
//! that trust the old one are not interrupted.

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

use crate::api::names::{self, Annotation};

/// Key of the certificate in PEM.
pub(crate) const CERTIFICATE: &str = "tls.crt";
/// Key of the private key in PEM.
pub(crate) const KEY: &str = "tls.key";
/// Key of the CA's certificate in PEM.
pub(crate) const CA_CERTIFICATE: &str = "ca.crt";
/// Key of the CA's private key in PEM.
const CA_KEY: &str = "ca.key";

const DAY: SignedDuration = SignedDuration::from_hours(24);
const CERTIFICATE_DAYS: i32 = 365;
const RENEW_DAYS: i32 = 245;
const CA_DAYS: i32 = 3650;
const RENEW_CA_DAYS: i32 = 3285;
/// Common name of the CA.
const CA_NAME: &str = "file-integrity-operator metrics CA";

/// A certificate could not be created.
#[derive(Debug, thiserror::Error)]
#[error("create a certificate for the metrics")]
pub(crate) struct IssueError(#[from] rcgen::Error);

/// The names of the metrics Service in this namespace.
pub(crate) fn server_names(namespace: &str) -> [String; 2] {
    let service = format!("{}.{namespace}.svc", names::METRICS_SERVICE);
    let whole = format!("{service}.cluster.local");
    [service, whole]
}

/// The renewed Secret, or none if the existing one is still good.
pub(crate) fn renewed(
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
        .filter(|_| is_later(Annotation::RENEW_CA_AFTER))
        .and_then(Ca::of);
    let fits = annotation(Annotation::CERTIFICATE_NAMES) == Some(server_names.join(",").as_str());
    if ca.is_some() && fits && is_later(Annotation::RENEW_AFTER) && existing.is_some_and(has_pair) {
        return Ok(None);
    }
    let (ca, renew_ca) = match (ca, annotation(Annotation::RENEW_CA_AFTER)) {
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
        Annotation::RENEW_AFTER.to_owned(),
        after(now, RENEW_DAYS).to_string(),
    );
    annotations.insert(Annotation::RENEW_CA_AFTER.to_owned(), renew_ca);
    annotations.insert(
        Annotation::CERTIFICATE_NAMES.to_owned(),
        server_names.join(","),
    );
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

fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}

/// The certificate and its private key in PEM.
pub(crate) fn pair(secret: &Secret) -> Option<(&[u8], &[u8])> {
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
    /// In PEM, the newest first.
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

    /// A new CA, together with the newest one before.
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

    /// The parameters of the CA, which are also those of the issuer.
    fn params() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, CA_NAME);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    /// A certificate for these names and its private key, in PEM.
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

/// The validity begins yesterday, for clients whose clocks are slow.
fn set_validity(params: &mut CertificateParams, now: Timestamp, days: i32) {
    let (from, to) = (date(after(now, -1)), date(after(now, days)));
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
}

fn date(at: Timestamp) -> (i32, u8, u8) {
    let date: Date = at.to_zoned(TimeZone::UTC).date();
    let part = |n: i8| n.unsigned_abs();
    (date.year().into(), part(date.month()), part(date.day()))
}

#[cfg(test)]
mod tests;
