use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_path_with_a_directory_that_others_can_write_to_is_rejected() {
    let root = tempfile::tempdir().unwrap();
    let at_path = |path: &str| root.path().join(path);
    fs::create_dir_all(at_path("srv/shared/fio")).unwrap();
    check(root.path(), "/srv/shared/fio", false).unwrap();
    for mode in [0o777, 0o1777, 0o775, 0o757] {
        for place in ["srv", "srv/shared", "srv/shared/fio"] {
            set_mode(&at_path(place), mode);
            let error = check(root.path(), "/srv/shared/fio", true).unwrap_err();
            let expected = format!(
                "is not safe: users other than root can write to /{place} (mode {mode:04o}); remove \
                 this permission (`chmod go-w /{place}`)"
            );
            assert_eq!(error.to_string(), expected);
            set_mode(&at_path(place), 0o755);
        }
    }
}

#[test]
fn a_directory_of_another_user_is_rejected() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("srv/fio");
    fs::create_dir_all(&dir).unwrap();
    let other = rustix::fs::Uid::from_raw(4242);
    if let Err(errno) = rustix::fs::chown(root.path().join("srv"), Some(other), None) {
        // Only root may change the owner of directories.
        assert!(!rustix::process::geteuid().is_root(), "{errno}");
        return;
    }
    assert_eq!(
        check(root.path(), "/srv/fio", true)
            .unwrap_err()
            .to_string(),
        "is not safe: /srv is owned by user 4242, not by root (`chown root /srv`)"
    );
}

#[test]
fn links_are_not_followed_in_any_component() {
    let root = tempfile::tempdir().unwrap();
    let at_path = |path: &str| root.path().join(path);
    fs::create_dir_all(at_path("var/opt/fio")).unwrap();
    symlink("var/opt", at_path("opt")).unwrap();
    symlink("fio", at_path("var/opt/other")).unwrap();
    for (dir, expected) in [
        ("/opt/fio", "is below the symbolic link /opt to var/opt"),
        ("/opt/new", "is below the symbolic link /opt to var/opt"),
        ("/var/opt/other", "is a symbolic link to fio"),
    ] {
        let error = check(root.path(), dir, true).unwrap_err();
        assert_eq!(error.to_string(), expected, "{dir}");
    }
    assert!(!at_path("var/opt/new").exists());
}

#[test]
fn created_directories_pass_the_check() {
    let root = tempfile::tempdir().unwrap();
    let made = check(root.path(), "/srv/a/b", true).unwrap();
    assert_eq!(check(root.path(), "/srv/./a//b/", false).unwrap(), made);
    let missing = check(root.path(), "/srv/other", false).unwrap_err();
    assert!(matches!(missing, UntrustedError::Missing), "{missing}");
}

#[test]
fn only_an_empty_directory_or_one_used_before_is_accepted() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    check_content(dir).unwrap();
    fs::create_dir(dir.join(LOST_AND_FOUND)).unwrap();
    check_content(dir).unwrap();
    fs::write(dir.join("job"), "").unwrap();
    assert_eq!(
        check_content(dir).unwrap_err().to_string(),
        "contains job, which is not fio's; specify an empty directory or one that does not exist"
    );
    symlink("job", dir.join(OWN_FILES[0])).unwrap();
    check_content(dir).unwrap_err();
    fs::write(dir.join(OWN_FILES[1]), "").unwrap();
    check_content(dir).unwrap();
}
