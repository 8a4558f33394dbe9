//! Where metrics are served, and how Prometheus verifies the certificate.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::metrics_server::CA_FILE;

/// Where and how metrics are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrapeSettings {
    /// Address for the metrics of the process.
    pub process: Option<SocketAddr>,
    /// Address for the metrics of the fleet.
    pub fleet: Option<SocketAddr>,
    /// Whether the metrics of the fleet require authorization.
    pub auth: bool,
    /// Directory with a certificate that somebody else provides.
    pub certificate_dir: PathBuf,
}

/// The CA that Prometheus verifies the certificate with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CertificateAuthority {
    /// The cluster's CA for services, as on OpenShift.
    ServiceCa,
    /// The CA in the Secret with the mounted certificate.
    Mounted,
    /// The operator's own CA.
    Own,
}

/// What Prometheus can scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScrapeTargets {
    /// The metrics of the process are served.
    pub(crate) process: bool,
    /// The metrics of the fleet are served.
    pub(crate) fleet: bool,
    pub(crate) authority: CertificateAuthority,
}

impl ScrapeSettings {
    pub(super) fn targets(&self, openshift: bool, is_mounted: bool) -> ScrapeTargets {
        ScrapeTargets {
            process: self.process.is_some(),
            fleet: self.fleet.is_some(),
            authority: self.authority(openshift, is_mounted),
        }
    }

    fn authority(&self, openshift: bool, is_mounted: bool) -> CertificateAuthority {
        let has_ca = self.certificate_dir.join(CA_FILE).exists();
        match (is_mounted, has_ca) {
            (true, true) => CertificateAuthority::Mounted,
            (true, false) => CertificateAuthority::ServiceCa,
            (false, _) if openshift => CertificateAuthority::ServiceCa,
            (false, _) => CertificateAuthority::Own,
        }
    }
}

#[cfg(test)]
mod tests;
