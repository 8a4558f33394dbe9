use super::*;

#[tokio::test(start_paused = true)]
async fn a_renewed_token_is_used_within_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "one\n").unwrap();
    let mut config = Config::new("https://127.0.0.1:1".parse().unwrap());
    config.auth_info.token_file = Some(path.to_string_lossy().into_owned());
    let file = TokenFile::take(&mut config).unwrap().unwrap();
    assert_eq!(config.auth_info.token_file, None);
    let header = || file.header().to_str().unwrap().to_owned();
    assert_eq!(header(), "Bearer one");
    std::fs::write(&path, "two").unwrap();
    assert_eq!(header(), "Bearer one");
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(header(), "Bearer two");
    std::fs::remove_file(&path).unwrap();
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(header(), "Bearer two");
    assert!(
        !format!("{file:?}").contains("two"),
        "the token must not be logged"
    );
}

#[test]
fn no_file_is_accepted_and_a_missing_file_is_an_error() {
    let mut config = Config::new("https://127.0.0.1:1".parse().unwrap());
    assert!(TokenFile::take(&mut config).unwrap().is_none());
    config.auth_info.token_file = Some("/nowhere/token".to_owned());
    let error = TokenFile::take(&mut config).unwrap_err();
    assert!(error.to_string().contains("/nowhere/token"), "{error}");
}
