use super::*;

#[test]
fn paths_are_normalized() {
    for (dir, expected) in [
        ("/etc/kubernetes", "/etc/kubernetes"),
        ("/etc/kubernetes/", "/etc/kubernetes"),
        ("//etc//kubernetes", "/etc/kubernetes"),
        ("/etc/./kubernetes/.", "/etc/kubernetes"),
        ("/var/lib/..x/.y", "/var/lib/..x/.y"),
        ("/./", "/"),
    ] {
        assert_eq!(normalized(dir), expected, "{dir}");
    }
}

#[test]
fn directories_of_other_programs_are_rejected() {
    for dir in [
        "/",
        "/etc",
        "/etc/cron.d",
        "/etc/kubernetes/manifests",
        "/usr/lib/systemd/system",
        "/var/lib",
        "/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/x",
        "/data/kubelet/pods/1/volumes/kubernetes.io~csi/x/mount",
        "/var/lib/rancher/k3s/server/manifests",
        "/var/spool/cron",
        "/run/fio",
        "/srv/../etc/cron.d",
    ] {
        assert!(refusal(dir).is_some(), "{dir}");
    }
    for dir in [
        "/etc/kubernetes",
        "/var/lib/file-integrity",
        "/var/lib/fio-e2e",
        "/var/lib/kubelet-fio",
        "/opt/fio",
        "/data",
        "/var/lib/..x/a.b-c_d",
    ] {
        assert_eq!(refusal(dir), None, "{dir}");
    }
    assert_eq!(
        refusal("/etc/cron.d").unwrap(),
        "is inside the system directory /etc"
    );
}
