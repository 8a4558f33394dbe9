//! The certificate with which metrics are served: the mounted one where there is one, else the
//! operator's own.
//!
//! New connections get the newest one, open connections keep theirs, so no request is lost when it
//! changes. What cannot be read or does not fit together is left aside, and the last good one goes
//! on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// How often the mounted files are looked at. The kubelet itself takes a minute to bring new ones.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The certificate's file in a directory with a TLS secret.
const CERTIFICATE_FILE: &str = "tls.crt";
/// The key's file there.
const KEY_FILE: &str = "tls.key";
/// The file with the certificate of who signed it, where the secret has that.
pub const CA_FILE: &str = "ca.crt";

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file is there and cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not in PEM.
    #[error("parse the certificate or its key")]
    Parse(#[source] pem::Error),
    /// There is none in it.
    #[error("there is no certificate in it")]
    Empty,
    /// Key and certificate do not fit together, or are of a kind that is not supported.
    #[error("use the certificate with its key")]
    Unusable(#[source] tokio_rustls::rustls::Error),
}

/// The certificates to choose from; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Certificates(Arc<RwLock<Choice>>);

#[derive(Debug, Default)]
struct Choice {
    mounted: Option<Arc<CertifiedKey>>,
    own: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// From now on this is the operator's own certificate (PEM).
    pub fn set_own(&self, certificate: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let own = Arc::new(parse(certificate, key)?);
        self.change(|choice| choice.own = Some(own));
        Ok(())
    }

    fn set_mounted(&self, mounted: Option<Arc<CertifiedKey>>) {
        self.change(|choice| choice.mounted = mounted);
    }

    /// Whether a mounted certificate is served.
    pub fn is_mounted(&self) -> bool {
        self.read(|choice| choice.mounted.is_some())
    }

    fn change(&self, with: impl FnOnce(&mut Choice)) {
        with(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn read<T>(&self, with: impl FnOnce(&Choice) -> T) -> T {
        with(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes up what is in `directory` now and whenever it changes, for as long as it is polled.
    pub async fn follow(self, directory: PathBuf) {
        let mut seen = None;
        loop {
            self.look(&directory, &mut seen);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn look(&self, directory: &Path, seen: &mut Option<Files>) {
        let files = match Files::read(directory) {
            Ok(files) => files,
            Err(error) => return complain(directory, &error),
        };
        if files == *seen {
            return;
        }
        match files.as_ref().map(Files::parse).transpose() {
            Ok(mounted) => {
                let is_there = mounted.is_some();
                self.set_mounted(mounted.map(Arc::new));
                tracing::info!(directory = %directory.display(), is_there, "serving certificate");
            }
            Err(error) => complain(directory, &error),
        }
        *seen = files;
    }
}

fn complain(directory: &Path, error: &CertificateError) {
    tracing::warn!(
        directory = %directory.display(),
        error = crate::error_chain(error),
        "the serving certificate cannot be used; the one before stays"
    );
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.read(|choice| choice.mounted.as_ref().or(choice.own.as_ref()).cloned())
    }
}

/// What a directory holds.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    /// None where one of the two is not there.
    fn read(directory: &Path) -> Result<Option<Self>, CertificateError> {
        let certificate = read(directory.join(CERTIFICATE_FILE))?;
        let key = read(directory.join(KEY_FILE))?;
        Ok(certificate
            .zip(key)
            .map(|(certificate, key)| Self { certificate, key }))
    }

    fn parse(&self) -> Result<CertifiedKey, CertificateError> {
        parse(&self.certificate, &self.key)
    }
}

fn read(path: PathBuf) -> Result<Option<Vec<u8>>, CertificateError> {
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CertificateError::Read { path, source }),
    }
}

fn parse(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(CertificateError::Parse)?;
    if chain.is_empty() {
        return Err(CertificateError::Empty);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Parse)?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(CertificateError::Unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (String, String) {
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
    fn the_mounted_one_comes_first_and_a_bad_one_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let put =
            |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        let certificates = Certificates::default();
        let mut seen = None;
        let mut look = || certificates.look(directory.path(), &mut seen);

        look();
        assert_eq!(served(&certificates), None);
        let (certificate, key) = made();
        certificates
            .set_own(certificate.as_bytes(), key.as_bytes())
            .unwrap();
        let own = served(&certificates);

        let (certificate, key) = made();
        put(CERTIFICATE_FILE, &certificate);
        look();
        assert_eq!(served(&certificates), own, "the key is not there yet");
        put(KEY_FILE, &key);
        look();
        let mounted = served(&certificates);
        assert_ne!(mounted, own);

        put(KEY_FILE, &made().1);
        look();
        assert_eq!(served(&certificates), mounted, "of two pairs");
        std::fs::remove_file(directory.path().join(KEY_FILE)).unwrap();
        look();
        assert_eq!(served(&certificates), own);
        assert!(!certificates.is_mounted());
    }
}
