use tokio::time::Instant;

use super::*;
use crate::api::FileIntegrityNodeStatus;

/// The events and their times if the watch is open after `opened` seconds, has the status after `shown`, and
/// the API server is unreachable after `lost`.
async fn events(opened: u64, shown: u64, lost: u64) -> Vec<(u64, Event)> {
    let (status, receiver) = watch::channel(KnownStatus::default());
    let (sender, mut inbox) = mpsc::unbounded_channel();
    tokio::spawn(run(receiver, sender));
    let start = Instant::now();
    tokio::spawn(async move {
        let after = |seconds| tokio::time::sleep_until(start + Duration::from_secs(seconds));
        let mut steps = [(opened, 0), (shown, 1), (lost, 2)];
        steps.sort_unstable();
        for (at, step) in steps {
            after(at).await;
            status.send_modify(|known| match step {
                0 => known.is_unreachable = false,
                1 => known.status = Some(FileIntegrityNodeStatus::default()),
                _ => known.is_unreachable = true,
            });
        }
    });
    let mut events = Vec::new();
    while let Some(event) = inbox.recv().await {
        events.push((start.elapsed().as_secs(), event));
    }
    events
}

#[tokio::test(start_paused = true)]
async fn a_starting_daemon_waits_ten_seconds_for_the_api_server() {
    let observed = || Event::observed(ObservedStatus::default());
    let unreachable = || Event::ApiUnreachable;
    let table = [
        ("at once", [0, 1, 60], vec![(1, observed())]),
        (
            "late",
            [40, 41, 60],
            vec![(10, unreachable()), (41, observed())],
        ),
        (
            "it fails first",
            [0, 60, 5],
            vec![(10, unreachable()), (60, observed())],
        ),
        (
            "no status",
            [1, 60, 30],
            vec![(30, unreachable()), (60, observed())],
        ),
        ("unreachable later", [1, 2, 30], vec![(2, observed())]),
    ];
    for (what, [opened, shown, lost], expected) in table {
        assert_eq!(events(opened, shown, lost).await, expected, "{what}");
    }
}
