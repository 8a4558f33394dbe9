use super::*;

#[test]
fn usual_locations_of_aides_files_are_allowed() {
    let paths = Paths::new("/hostroot", "/etc/kubernetes");
    for url in [
        "/var/lib/aide/aide.db.gz",
        "///var/log/aide.log",
        "//localhost/var/log/aide.log",
        "/opt/AIDE/db",
        "/etc/kubernetes/aide.db.gz",
        "/hostroot/etc/kubernetes/aide.db.gz",
        "/var/log/integrity.log",
        "/dev/null",
        "aide.db",
        "./aide.db.gz",
    ] {
        assert!(is_allowed(url, &paths), "{url}");
    }
    for url in [
        "/etc/cron.d/x",
        "/hostroot/etc/cron.d/aide",
        "/hostroot/etc/kubernetes/../cron.d/x",
        "/var/lib/aide/../../etc/x",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "/root/.ssh/authorized_keys",
        "database.db",
        "../aide.db",
        "//host",
        "",
    ] {
        assert!(!is_allowed(url, &paths), "{url}");
    }
}
