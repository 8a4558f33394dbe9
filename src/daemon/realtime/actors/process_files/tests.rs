use proptest::prelude::*;

use super::*;

const UID: &str = "0f4d3c2b-1a09-4e8f-9d7c-6b5a49382716";
const SYSTEMD_UID: &str = "0f4d3c2b_1a09_4e8f_9d7c_6b5a49382716";
const HASH: &str = "0123456789abcdef0123456789abcdef";

fn id() -> String {
    "0123456789abcdef".repeat(4)
}

fn of(path: &str) -> Origin {
    origin(format!("0::{path}\n").as_bytes())
}

fn in_pod(uid: &str) -> Origin {
    Origin {
        unit: None,
        pod_uid: Some(uid.to_owned()),
        container_id: Some(id()),
    }
}

#[test]
fn containers_of_pods() {
    let id = id();
    for path in [
        format!("/kubepods/burstable/pod{UID}/{id}"),
        format!("/kubepods/pod{UID}/{id}"),
        format!(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SYSTEMD_UID}.slice/cri-containerd-{id}.scope"
        ),
        format!("/kubepods.slice/kubepods-pod{SYSTEMD_UID}.slice/crio-{id}.scope"),
        format!("/kubepods.slice/kubepods-pod{SYSTEMD_UID}.slice/crio-{id}.scope/container"),
        format!(
            "/system.slice/containerd.service/kubepods-besteffort-pod{SYSTEMD_UID}.slice:cri-containerd:{id}"
        ),
        // Seen from another control group.
        format!("/../../kubepods-besteffort-pod{SYSTEMD_UID}.slice/cri-containerd-{id}.scope"),
    ] {
        assert_eq!(of(&path), in_pod(UID), "{path}");
    }
    let path = format!("/kubepods/burstable/pod{HASH}/{id}");
    assert_eq!(of(&path), in_pod(HASH));
}

#[test]
fn other_processes() {
    let unit = |name: &str| Origin {
        unit: Some(name.to_owned()),
        ..Origin::default()
    };
    assert_eq!(of("/system.slice/sshd.service"), unit("sshd.service"));
    assert_eq!(
        of("/user.slice/user-1000.slice/session-3.scope"),
        unit("session-3.scope")
    );
    assert_eq!(
        of("/user.slice/user-0.slice/user@0.service/app.slice/a\n.service"),
        unit("user@0.service")
    );
    assert_eq!(of("/"), Origin::default());
    assert_eq!(origin(b""), Origin::default());
    let container = of(&format!("/docker/{}", id()));
    assert_eq!(container.container_id, Some(id()));
    // A process of the runtime, and names that only look like those of pods.
    let monitor = format!("/machine.slice/crio-conmon-{}.scope", id());
    assert_eq!(of(&monitor).container_id, None);
    for path in [
        "/podman/pod1234",
        &format!("/kubepods/pod{UID}0/x"),
        &format!("/kubepods/pod{}/x", UID.to_uppercase()),
    ] {
        assert_eq!(of(path).pod_uid, None, "{path}");
    }
}

#[test]
fn the_line_with_most_information_counts() {
    let text = format!(
        "12:pids:/system.slice/kubelet.service\n1:name=systemd:/kubepods/pod{UID}/{}\n0::/\n",
        id()
    );
    assert_eq!(origin(text.as_bytes()), in_pod(UID));
}

#[test]
fn start_times() {
    let fields = |comm: &str| {
        format!(
            "77 ({comm}) S 1 77 77 0 -1 4194560 1 0 0 0 0 1 0 0 20 0 1 0 4242 5 6 18446744073709551615 1 1\n"
        )
    };
    for comm in ["sh", "a b", ") S 1 (", "((", "x\n) R"] {
        assert_eq!(start_time(fields(comm).as_bytes()), Some(4242), "{comm}");
    }
    for text in [
        "",
        "77 (sh",
        "77 (sh) S 1 2",
        &fields("sh").replace("4242", "-1"),
    ] {
        assert_eq!(start_time(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn login_uids() {
    assert_eq!(login_uid(b"1000"), Some(1000));
    assert_eq!(login_uid(b"0\n"), Some(0));
    for none in [&b"4294967295"[..], b"", b"-1", b"+1", b"4294967296"] {
        assert_eq!(login_uid(none), None, "{none:?}");
    }
}

#[test]
fn texts_are_escaped_and_bounded() {
    assert_eq!(command_name(b"sh\n"), "sh");
    assert_eq!(command_name(b"a\x1b[2J\n\n"), "a\\033[2J\\012");
    assert_eq!(program(b"/usr/bin/\xff"), "/usr/bin/\\377");
    assert!(program(&[b'\n'; 5000]).len() <= MAX_TEXT);
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (start_time(&bytes), login_uid(&bytes));
        let found = origin(&bytes);
        prop_assert!(found.unit.is_none_or(|unit| unit.len() <= MAX_TEXT));
    }
}
