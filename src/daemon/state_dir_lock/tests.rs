use rustix::fs::FlockOperation;

use super::*;
use crate::api::Condition;
use crate::daemon::lines::tests::{Written, lines};

/// Acquires the state directory of a node whose lock is released half a second after so many seconds, or
/// gives up after 60. Returns when it was acquired, and what was reported when.
async fn acquired(dir: &str, free: Option<u64>) -> (Option<u64>, Vec<(u64, String)>) {
    let root = tempfile::tempdir().unwrap();
    let (state, _) = StateDir::choose(root.path(), Some("/state"), "fi").unwrap();
    let lock = File::create(state.path().join("aide.lock")).unwrap();
    let freed = free.map(|seconds| Duration::from_millis(seconds * 1000 + 500));
    if freed.is_some() {
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    }
    let (items, mut outgoing) = mpsc::unbounded_channel::<Item>();
    let (readiness, stop) = (Readiness::default(), CancellationToken::new());
    let start = Instant::now();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(freed.unwrap_or_default()).await;
        // Closing the file is not enough: programs that other tests start have it open for a moment.
        rustix::fs::flock(&lock, FlockOperation::Unlock).unwrap();
        tokio::time::sleep_until(start + Duration::from_secs(60)).await;
        stopping.cancel();
    });
    let collecting = tokio::spawn(async move {
        let mut reported = Vec::new();
        while let Some(item) = outgoing.recv().await {
            let result = item.update.finding.unwrap().result;
            assert_eq!(result.condition, Condition::Errored);
            reported.push((start.elapsed().as_secs(), result.error_message.unwrap()));
        }
        reported
    });
    let place = Place {
        host_root: root.path(),
        in_spec: Some(dir),
        owner: "fi",
    };
    let written = Written::default();
    let mut lines = lines(&written);
    let locked = acquire(&place, &items, &mut lines, &readiness, &stop).await;
    let after = locked.map(|_| start.elapsed().as_secs());
    drop(items);
    let reported = collecting.await.unwrap();
    assert_eq!(readiness.get(), !reported.is_empty(), "{reported:?}");
    let messages: Vec<_> = reported
        .iter()
        .map(|(_, message)| message.as_str())
        .collect();
    assert_eq!(
        written.of_all("message"),
        messages,
        "lines for log shippers"
    );
    (after, reported)
}

#[tokio::test(start_paused = true)]
async fn the_lock_of_a_terminating_pod_is_awaited_and_a_lasting_one_is_reported() {
    let locked = Some((40, "is locked by another fio daemon"));
    let no_place = Some((0, "cannot be created"));
    let table = [
        ("nobody has it", "/state", None, Some(0), None),
        ("a pod ends", "/state", Some(34), Some(35), None),
        ("a pod ends late", "/state", Some(45), Some(50), locked),
        ("another daemon", "/state", Some(90), None, locked),
        // The lock's file is no directory.
        ("no place", "/state/aide.lock/x", Some(90), None, no_place),
    ];
    for (what, asked, free, expected, error) in table {
        let (after, reported) = acquired(asked, free).await;
        assert_eq!(after, expected, "{what}");
        let reported: Vec<_> = reported
            .iter()
            .map(|(at, text)| (*at, error.filter(|(_, part)| text.contains(part))))
            .collect();
        let expected: Vec<_> = error
            .map(|error| (error.0, Some(error)))
            .into_iter()
            .collect();
        assert_eq!(reported, expected, "{what}");
    }
}
