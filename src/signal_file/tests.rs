use super::*;

#[test]
fn a_signal_is_written_read_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let signal = SignalFile::new(dir.path().join("aide.reinit"));
    assert_eq!(signal.read(), None);
    signal.put("r1\n").unwrap();
    assert_eq!(signal.read().as_deref(), Some("r1"));
    signal.clear().unwrap();
    signal.clear().unwrap();
    assert!(!signal.exists());
}

#[test]
fn a_directory_is_a_signal_that_is_removed_or_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("aide.reinit");
    let signal = SignalFile::new(path.clone());
    fs::create_dir(&path).unwrap();
    assert_eq!(signal.read().as_deref(), Some(""));
    assert_eq!(signal.clear_or_remember(), None);
    assert!(!signal.exists());
    fs::create_dir_all(path.join("full")).unwrap();
    assert_eq!(signal.clear_or_remember(), signal.read());
    assert!(signal.exists());
}

#[test]
fn a_link_is_a_signal_but_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let signal = SignalFile::new(dir.path().join("aide.reinit"));
    std::os::unix::fs::symlink(&secret, dir.path().join("aide.reinit")).unwrap();
    assert_eq!(signal.read().as_deref(), Some(""));
    signal.clear().unwrap();
    assert!(secret.exists());
}
