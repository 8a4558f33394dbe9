//! Tests of the certificate authority.

use super::*;

#[test]
fn the_authority_depends_on_the_source_of_the_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ScrapeSettings {
        certificate_dir: directory.path().to_owned(),
        ..ScrapeSettings::default()
    };
    assert_eq!(settings.authority(false, false), CertificateAuthority::Own);
    assert_eq!(
        settings.authority(true, false),
        CertificateAuthority::ServiceCa
    );
    assert_eq!(
        settings.authority(false, true),
        CertificateAuthority::ServiceCa
    );
    std::fs::write(directory.path().join(CA_FILE), "").unwrap();
    assert_eq!(
        settings.authority(false, true),
        CertificateAuthority::Mounted
    );
}
