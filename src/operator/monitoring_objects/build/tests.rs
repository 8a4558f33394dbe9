//! Tests of the objects: whole objects as snapshots.

use super::*;

fn targets(authority: CertificateAuthority) -> ScrapeTargets {
    ScrapeTargets {
        process: true,
        fleet: true,
        authority,
    }
}

#[test]
fn the_whole_service_monitor() {
    let monitor = service_monitor("ns", targets(CertificateAuthority::Own));
    insta::assert_yaml_snapshot!(owned_by_service(monitor, Some("u")));
}

#[test]
fn prometheus_verifies_certificates_with_their_ca() {
    let tls = |authority| {
        service_monitor("ns", targets(authority))["spec"]["endpoints"][1]["tlsConfig"].take()
    };
    assert_eq!(
        tls(CertificateAuthority::ServiceCa),
        json!({"serverName": "metrics.ns.svc", "caFile": SERVICE_CA})
    );
    assert_eq!(
        tls(CertificateAuthority::Mounted)["ca"]["secret"]["name"],
        "file-integrity-operator-serving-cert"
    );
}

#[test]
fn the_rules_name_the_namespace() {
    let runbooks = Runbooks::new(Some("https://wiki.example/fio"));
    insta::assert_yaml_snapshot!(rules("ns", &runbooks).unwrap());
}
