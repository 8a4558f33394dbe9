use super::*;
use crate::testing::aide_binary::AIDE;

const STATE: &str = "/etc/kubernetes";

async fn check(text: &str) -> Verdict {
    let dir = tempfile::tempdir().unwrap();
    let checker = Checker::new(Aide::new(&*AIDE), dir.path().to_owned());
    let verdict = checker.check(text, STATE).await.unwrap();
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "a file is left"
    );
    verdict
}

#[tokio::test]
async fn verdicts_of_checks() {
    assert!(matches!(check("/etc p+sha256\n").await, Verdict::Good(_)));
    let Verdict::Refused(diagnostics) = check("/etc p\n@@x_include /bin/id\n").await else {
        panic!("an include is refused");
    };
    assert_eq!(diagnostics[0].line, 2);
    let Verdict::RefusedByAide(message) = check("/etc p\n/usr nosuchgroup\n").await else {
        panic!("AIDE knows no such group");
    };
    assert!(
        message.starts_with("AIDE error: 17 Invalid configureline error: line 2: "),
        "{message}"
    );
}

/// Texts that the conversion accepts, but that exceed AIDE's limits.
#[tokio::test]
async fn memory_of_a_check_is_limited() {
    let nested = |n: usize| format!("/d{n}/((((a{{1,9}}){{1,9}}){{1,9}}){{1,9}}) p\n");
    let directories = |n: usize| format!("{} p\n", "/d".repeat(n + 1));
    for text in [
        (0..4_900).map(nested).collect::<String>(),
        (0..900).map(directories).collect(),
    ] {
        let Verdict::RefusedByAide(message) = check(&text).await else {
            panic!("AIDE takes it: {text:.60}");
        };
        let limit = "; the limit for a configuration is 96 MiB of memory: use fewer rules";
        assert!(message.contains(limit), "{message}");
    }
}

#[test]
fn errors_of_the_configuration_are_distinguished_from_others() {
    let table = [
        (Some(17), None, true),
        (Some(22), None, true),
        (Some(23), None, false),
        (None, Some(exit::SIGXCPU), true),
        (None, Some(11), true),
        (None, Some(9), false),
        (None, Some(15), false),
    ];
    for (code, signal, is_refusal) in table {
        let error = exit::decode_plain(code, signal).unwrap_err();
        let is_refused = matches!(problem(error, ""), Problem::Rejected(_));
        assert_eq!(is_refused, is_refusal, "{error}");
    }
}

#[test]
fn each_check_deletes_only_its_own_file() {
    let dir = tempfile::tempdir().unwrap();
    let checker = Checker::new(Aide::new(&*AIDE), dir.path().to_owned());
    let one = checker.write("/etc p\n").unwrap();
    let other = checker.write("/etc p\n").unwrap();
    drop(one);
    assert_eq!(std::fs::read_to_string(&other.0).unwrap(), "/etc p\n");
}

#[tokio::test]
async fn a_path_check_has_the_line_of_the_user() {
    let dir = tempfile::tempdir().unwrap();
    let checker = Checker::new(Aide::new(&*AIDE), dir.path().to_owned());
    let Verdict::Good(prepared) = check("# mine\nP = p+u\n/etc P+sha256\n!/etc/mtab$\n").await
    else {
        panic!("a good configuration");
    };
    let path = async |path| {
        checker
            .path(&prepared.effective, STATE, path)
            .await
            .unwrap()
    };
    let watched = path("/etc/passwd").await;
    assert_eq!((watched.watched, watched.line), (true, Some(3)));
    assert_eq!(watched.attributes.as_deref(), Some("p+u+sha256"));
    let excluded = path("/etc/mtab").await;
    assert_eq!((excluded.watched, excluded.line), (false, Some(4)));
    assert_eq!(path("d:/usr").await.kind, None);
    assert!(path("d:/etc/").await.watched);
    assert!(
        checker
            .path(&prepared.effective, STATE, "etc")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn paths_of_the_root_and_with_a_trailing_slash_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let checker = Checker::new(Aide::new(&*AIDE), dir.path().to_owned());
    let watched = async |text: &str, path: &str| {
        let Verdict::Good(prepared) = check(text).await else {
            panic!("a good configuration");
        };
        let answer = checker.path(&prepared.effective, STATE, path).await;
        answer.unwrap().watched
    };
    assert!(watched("/ p\n-/proc\n", "d:/").await);
    assert!(!watched("/etc/ p\n", "d:/etc/").await);
    assert!(!watched("/etc/ p\n", "d:/etc").await);
    assert!(!watched("/etc p\n", "/").await);
    assert!(watched("/etc/pass.*$|/etc/shadow$ p\n", "/etc/shadow").await);
    let old = "verbose=5\n/etc p\n!/etc/old%20stuff\n/srv/My%20App p\n";
    assert!(watched(old, "/srv/My App/x").await);
    assert!(!watched(old, "/etc/old stuff/y").await);
    let deeper = "verbose=5\n/etc/app p\n!/etc/app/sub$\n/etc/app/sub/deep p\n";
    for path in [
        "/etc/app/sub/deep/c.conf",
        "d:/etc/app/sub/deep",
        "/etc/app/sub/b.conf",
    ] {
        assert!(watched(deeper, path).await, "{path}");
    }
    assert!(!watched(deeper, "d:/etc/app/sub").await);
}
