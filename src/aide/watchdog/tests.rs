use super::*;

#[test]
fn progress_is_parsed() {
    let stat = "77 (a ) b) S 1 77 77 0 -1 4194304 9 8 7 6 120 30 0 0 30 10 4 0 5";
    assert_eq!(cpu_ticks(stat), 150);
    assert_eq!(cpu_ticks(""), 0);
    assert_eq!(bytes_read("rchar: 4096\nwchar: 1\n"), 4096);
    assert_eq!(bytes_read(""), 0);
}

#[test]
fn only_a_thread_in_a_system_call_has_arguments() {
    assert_eq!(
        arguments("262 0xffffff9c 0x7ffd 0x0 0x0 0x0 0x0 0x7 0x8"),
        Some([0xffff_ff9c, 0x7ffd])
    );
    for call in ["running", "-1 0x7ffd 0x55", ""] {
        assert_eq!(arguments(call), None, "{call}");
    }
}

#[test]
fn the_nearest_mount_below_the_root_is_named() {
    let mountinfo = "21 1 8:1 / /hostroot rw - ext4 /dev/sda1 rw\n\
         22 21 0:40 / /hostroot/mnt rw - tmpfs tmpfs rw\n\
         23 22 0:41 / /hostroot/mnt/my\\040data rw shared:7 - nfs4 server:/export rw\n\
         24 1 0:42 / /tmp rw - tmpfs tmpfs rw\n";
    let root = Path::new("/hostroot");
    let table = [
        (
            "/hostroot/mnt/my data/a",
            Some("nfs4 server:/export on /mnt/my data"),
        ),
        ("/hostroot/mnt/my", Some("tmpfs tmpfs on /mnt")),
        ("/hostroot/etc/passwd", None),
    ];
    for (path, expected) in table {
        let found = mount_of(mountinfo, Path::new(path), root);
        assert_eq!(found.as_deref(), expected, "{path}");
    }
}

#[test]
fn the_message_has_the_known_parts() {
    let mut hang = Hang {
        stalled: true,
        duration: Duration::from_secs(600),
        path: Some("/mnt/a".to_owned()),
        mount: Some("nfs4 server:/export on /mnt".to_owned()),
    };
    assert_eq!(
        hang.to_string(),
        "no progress for 600 seconds at /mnt/a (nfs4 server:/export on /mnt)"
    );
    (hang.stalled, hang.path, hang.mount) = (false, None, None);
    assert_eq!(hang.to_string(), "not finished after 600 seconds");
}

/// Waits until this process uses the file `name` of `root`.
async fn until_at(process: &mut std::process::Child, root: &Path, name: &str) {
    let watchdog = Watchdog::new(process.id(), Limits::default());
    while watchdog.find_path(root) != Some(root.join(name)) {
        assert!(process.try_wait().unwrap().is_none(), "it has ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_waiting_process_is_reported_with_its_file() {
    let root = tempfile::tempdir().unwrap();
    let fifo = root.path().join("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let mut waiting = std::process::Command::new("cat")
        .arg(&fifo)
        .spawn()
        .unwrap();
    let limits = Limits {
        total: Duration::from_secs(600),
        stall: Duration::from_millis(300),
    };
    until_at(&mut waiting, root.path(), "fifo").await;
    let hang = Watchdog::new(waiting.id(), limits).hang(root.path()).await;
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    assert!(hang.stalled);
    assert_eq!(hang.path.as_deref(), Some("/fifo"));
}

#[tokio::test]
async fn a_working_process_is_reported_after_the_total_limit() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("endless"), "").unwrap();
    let mut busy = std::process::Command::new("sh")
        .args(["-c", "exec <\"$1\"; while :; do :; done", "sh"])
        .arg(root.path().join("endless"))
        .spawn()
        .unwrap();
    // On a busy machine, the next clock tick of the process may take long.
    let limits = Limits {
        total: Duration::from_secs(3),
        stall: Duration::from_millis(2900),
    };
    until_at(&mut busy, root.path(), "endless").await;
    let hang = Watchdog::new(busy.id(), limits).hang(root.path()).await;
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert!(!hang.stalled);
    assert!(hang.duration >= limits.total);
    assert_eq!(hang.path.as_deref(), Some("/endless"));
}
