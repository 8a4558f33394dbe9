use super::*;

fn configurations(dir: &Path) -> Configurations {
    let (mount, work_dir) = (dir.join("mount"), dir.join("work"));
    std::fs::create_dir(&mount).unwrap();
    std::fs::create_dir(&work_dir).unwrap();
    let nowhere = kube::Config::new("https://127.0.0.1:1".parse().unwrap());
    let client = kube::Client::try_from(nowhere).unwrap();
    Configurations {
        mount,
        work_dir,
        name: "fi".to_owned(),
        api: Api::namespaced(client, "ns"),
        state: StateDir::at(dir),
    }
}

#[tokio::test]
async fn the_configuration_of_the_baseline_is_loaded_from_the_state_directory() {
    let dir = tempfile::tempdir().unwrap();
    let all = configurations(dir.path());
    let mounted = all.mount.join(names::KEY_EFFECTIVE_CONF);
    std::fs::write(mounted, "/etc p+n\n").unwrap();
    let (text, hash) = ("/etc p\n", config_hash("/etc p\n"));
    let copy = dir.path().join("aide.baseline.conf");
    std::fs::write(&copy, "/etc u\n").unwrap();
    // Another text is not used, and the API server is unreachable.
    assert!(all.file(&hash).await.is_err());
    std::fs::write(&copy, text).unwrap();
    let path = all.file(&hash).await.unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

#[tokio::test]
async fn aide_reads_the_desired_configuration_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let all = configurations(dir.path());
    let mounted = all.mount.join(names::KEY_EFFECTIVE_CONF);
    std::fs::write(&mounted, "/etc p\n").unwrap();
    let hash = all.load_mounted().unwrap();
    let path = all.file(&hash).await.unwrap();

    let outside = dir.path().join("outside");
    std::fs::write(&outside, "text").unwrap();
    for place in [path.clone(), path.with_extension("new")] {
        std::fs::remove_file(&place).ok();
        std::os::unix::fs::symlink(&outside, place).unwrap();
    }
    let again = all.file(&hash).await.unwrap();
    assert_eq!(std::fs::read_to_string(again).unwrap(), "/etc p\n");
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "text");

    std::fs::write(&path, "/other p\n").unwrap();
    std::fs::write(&mounted, "/other p\n").unwrap();
    all.file(&hash).await.unwrap_err();
}
