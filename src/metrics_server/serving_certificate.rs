//! The certificate of the metrics server: the mounted one if there is one, otherwise the operator's own.
//!
//! New connections use the latest certificate, open connections continue with theirs. A certificate that
//! cannot be read, or does not match its key, is logged and ignored.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::file_error::FileError;
use crate::locks;

/// How often the mounted files are read. The kubelet takes up to a minute to update them.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The certificate in a mounted TLS secret.
const CERTIFICATE_FILE: &str = "tls.crt";
/// The private key in a mounted TLS secret.
const KEY_FILE: &str = "tls.key";
/// The CA certificate in a mounted TLS secret, if the issuer provides it.
pub(crate) const CA_FILE: &str = "ca.crt";

/// A certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// The certificate or the key is not valid PEM.
    #[error("parse the certificate or its key")]
    Parse(#[source] pem::Error),
    /// The file contains no certificate.
    #[error("the file contains no certificate")]
    Empty,
    /// The key does not belong to the certificate, or has an unsupported algorithm.
    #[error("use the certificate with its key")]
    Unusable(#[source] tokio_rustls::rustls::Error),
}

/// The available certificates. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates(Arc<RwLock<Choice>>);

#[derive(Debug, Default)]
struct Choice {
    mounted: Option<Arc<CertifiedKey>>,
    own: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Sets the operator's own certificate (PEM).
    pub(crate) fn set_own(&self, certificate: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let own = Arc::new(parse(certificate, key)?);
        self.change(|choice| choice.own = Some(own));
        Ok(())
    }

    fn set_mounted(&self, mounted: Option<Arc<CertifiedKey>>) {
        self.change(|choice| choice.mounted = mounted);
    }

    /// Whether the mounted certificate is in use.
    pub(crate) fn is_mounted(&self) -> bool {
        self.read(|choice| choice.mounted.is_some())
    }

    fn change(&self, with: impl FnOnce(&mut Choice)) {
        with(&mut locks::write(&self.0));
    }

    fn read<T>(&self, with: impl FnOnce(&Choice) -> T) -> T {
        with(&locks::read(&self.0))
    }

    /// Loads the certificate in `directory` now and whenever it changes, as long as the future is polled.
    pub(crate) async fn follow(self, directory: PathBuf) {
        let mut known = None;
        loop {
            self.reload(&directory, &mut known);
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn reload(&self, directory: &Path, known: &mut Option<Files>) {
        let files = match Files::read(directory) {
            Ok(files) => files,
            Err(error) => return log_unusable(directory, &error),
        };
        if files == *known {
            return;
        }
        match files.as_ref().map(Files::parse).transpose() {
            Ok(mounted) => {
                let (is_removed, directory) = (mounted.is_none(), directory.display());
                self.set_mounted(mounted.map(Arc::new));
                if is_removed {
                    tracing::info!(%directory, "the mounted serving certificate was removed");
                } else {
                    tracing::info!(%directory, "loaded the mounted serving certificate");
                }
            }
            Err(error) => log_unusable(directory, &error),
        }
        *known = files;
    }
}

fn log_unusable(directory: &Path, error: &CertificateError) {
    tracing::warn!(
        directory = %directory.display(),
        error = crate::error_chain(error),
        "the mounted serving certificate cannot be used; the previous one stays in use"
    );
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.read(|choice| choice.mounted.as_ref().or(choice.own.as_ref()).cloned())
    }
}

/// The files of a mounted TLS secret.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    /// `None` if one of the files does not exist.
    fn read(directory: &Path) -> Result<Option<Self>, CertificateError> {
        let certificate = read(&directory.join(CERTIFICATE_FILE))?;
        let key = read(&directory.join(KEY_FILE))?;
        Ok(certificate
            .zip(key)
            .map(|(certificate, key)| Self { certificate, key }))
    }

    fn parse(&self) -> Result<CertifiedKey, CertificateError> {
        parse(&self.certificate, &self.key)
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::on("read", path)(error)),
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
mod tests;
