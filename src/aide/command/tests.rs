use super::process::GRACE;
use super::*;
use crate::aide::exit;
use crate::aide::stderr::Stderr;
use crate::testing::aide_binary::script;

#[test]
fn versions_are_parsed() {
    assert_eq!(
        parse_version("AIDE 0.19.1\n\nCompiled with"),
        Some("0.19.1".to_owned())
    );
    assert_eq!(parse_version("Aide 0.16"), Some("0.16".to_owned()));
    assert_eq!(parse_version("sh: aide: not found"), None);
}

#[test]
fn aide_0_19_and_later_are_supported() {
    let table = [
        ("0.19.1", true),
        ("0.18.3", false),
        ("0.20", true),
        ("1.0", true),
        ("", false),
    ];
    for (version, expected) in table {
        assert_eq!(is_supported(version), expected, "{version}");
    }
}

async fn run(aide: &Aide, cancel: &CancellationToken) -> Result<ProcessExit, RunError> {
    aide.run(
        Mode::Check,
        Path::new("/dev/null"),
        &ExtraConfig::default(),
        cancel,
    )
    .await
}

#[tokio::test]
async fn a_run_returns_status_and_stderr_and_has_no_environment() {
    let dir = tempfile::tempdir().unwrap();
    let aide = script(dir.path(), "echo \"$1 [$CARGO_MANIFEST_DIR]\" >&2; exit 17");
    let finished = run(&aide, &CancellationToken::new()).await.unwrap();
    let expected = ProcessExit {
        code: Some(17),
        signal: None,
        stderr: Stderr::of("--check []"),
    };
    assert_eq!(finished, expected);
}

#[tokio::test]
async fn a_signal_is_distinguished_from_an_exit_status() {
    let dir = tempfile::tempdir().unwrap();
    let finished = run(&script(dir.path(), "kill -9 $$"), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!((finished.code, finished.signal), (None, Some(9)));
}

#[tokio::test]
async fn a_program_that_writes_a_too_large_file_is_terminated() {
    let dir = tempfile::tempdir().unwrap();
    let (go, file) = (dir.path().join("go"), dir.path().join("file"));
    // It starts after the limit is set, like AIDE.
    let text = format!(
        "until grep -q 'file size *4096' /proc/$$/limits; do sleep 0.01; done; : > {}; \
         exec head -c 9000 /dev/zero > {}",
        go.display(),
        file.display()
    );
    let aide = script(dir.path(), &text).writing_at_most(4096);
    let finished = run(&aide, &CancellationToken::new()).await.unwrap();
    assert!(go.exists(), "{finished:?}");
    assert_eq!(finished.signal, Some(exit::SIGXFSZ));
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 4096);
}

#[tokio::test]
async fn cancelling_terminates_the_process_group() {
    let dir = tempfile::tempdir().unwrap();
    let alive = dir.path().join("alive");
    let text = format!("sleep 60 & echo $! > {}; wait", alive.display());
    let aide = script(dir.path(), &text);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let wait_for_start = async {
        while std::fs::read_to_string(&alive)
            .unwrap_or_default()
            .trim()
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
    };
    let (result, ()) = tokio::join!(run(&aide, &cancel), wait_for_start);
    assert!(matches!(result, Err(RunError::Cancelled)));
    let child = std::fs::read_to_string(&alive).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    // The process got its signal. The kernel, and the new parent that reaps it, may take a moment.
    let deadline = std::time::Instant::now() + GRACE;
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(std::time::Instant::now() < deadline, "the child lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn many_warnings_do_not_block_or_hide_others() {
    let dir = tempfile::tempdir().unwrap();
    let program = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2
                       i=0; while [ $i -lt 2000 ]; do echo \"WARNING: symlink '/some/where/$i' is dead\" >&2; i=$((i+1)); done
                       echo \"WARNING: failed to access '/a': Permission denied (skipping)\" >&2
                       printf '  ERROR: at the end' >&2";
    let finished = run(&script(dir.path(), program), &CancellationToken::new())
        .await
        .unwrap();
    let Stderr {
        error,
        skipped,
        others,
        ..
    } = finished.stderr;
    assert_eq!(error.as_deref(), Some("ERROR: at the end"));
    assert_eq!((skipped.count, others.count), (1, 2001));
}

#[tokio::test]
async fn memory_and_cpu_time_of_a_program_are_limited() {
    let dir = tempfile::tempdir().unwrap();
    // It starts after the limits are set, like AIDE.
    let wait = "until grep -q 'cpu time *1 ' /proc/$$/limits; do sleep 0.01; done";
    let usage = Usage {
        memory: 64 << 20,
        cpu_seconds: 1,
    };
    let memory = format!("{wait}; head -c 100000000 /dev/zero | tail -n 1 >/dev/null || exit 22");
    let aide = script(dir.path(), &memory).using_at_most(usage);
    let finished = run(&aide, &CancellationToken::new()).await.unwrap();
    assert_eq!(finished.code, Some(22), "{finished:?}");
    let aide = script(dir.path(), &format!("{wait}; while :; do :; done")).using_at_most(usage);
    let finished = run(&aide, &CancellationToken::new()).await.unwrap();
    assert_eq!(finished.signal, Some(exit::SIGXCPU), "{finished:?}");
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let error = run(&Aide::new("/nowhere/aide"), &CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "start /nowhere/aide");
}
