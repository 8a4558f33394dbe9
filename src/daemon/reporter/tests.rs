use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::{Request, Response};
use kube::Client;
use kube::client::Body;

use super::*;
use crate::api::Condition;
use crate::daemon::outbox::tests::result;
use crate::scan::identity;

#[tokio::test]
async fn without_a_status_new_results_replace_old_ones() {
    let nobody = tower::service_fn(async |_: Request<Body>| {
        Err::<Response<Body>, _>(std::io::Error::other("unreachable"))
    });
    let client = Client::new(nobody, "ns");
    let publisher = Publisher::new(&client, identity(), "pod".to_owned());
    let (items, outgoing) = mpsc::unbounded_channel();
    let (seen, _) = watch::channel(KnownStatus::default());
    let mut reporter = Reporter::new(publisher, outgoing, seen.clone());
    for _ in 0..100 {
        items.send(result(Condition::Succeeded, 0)).unwrap();
        items.send(result(Condition::Failed, 0)).unwrap();
    }
    let last = result(Condition::Failed, 1);
    items.send(last.clone()).unwrap();
    drop(items);
    {
        let waiting = reporter.current();
        tokio::pin!(waiting);
        for _ in 0..10 {
            assert!(futures::poll!(&mut waiting).is_pending());
            tokio::task::yield_now().await;
        }
        seen.send_modify(|seen| seen.status = Some(FileIntegrityNodeStatus::default()));
        waiting.await;
    }
    assert!(reporter.items.is_closed() && reporter.items.is_empty());
    let succeeded = reporter.outbox.front().cloned().unwrap();
    assert_eq!(
        succeeded.update.finding.unwrap().result.condition,
        Condition::Succeeded
    );
    reporter.outbox.pop();
    assert_eq!(reporter.outbox.front(), Some(&last));
    reporter.outbox.pop();
    assert!(reporter.outbox.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_status_is_not_written_repeatedly() {
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    let server = tower::service_fn(move |_: Request<Body>| {
        counted.fetch_add(1, Ordering::Relaxed);
        let odd = r#"{"metadata": {"name": "fi-n"}, "nodeName": "n", "lastResult": "none"}"#;
        async move {
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(odd.as_bytes().to_vec())))
        }
    });
    let publisher = Publisher::new(&Client::new(server, "ns"), identity(), "pod".to_owned());
    let (items, outgoing) = mpsc::unbounded_channel();
    let (seen, _) = watch::channel(KnownStatus::default());
    seen.send_modify(|seen| seen.status = Some(FileIntegrityNodeStatus::default()));
    items.send(result(Condition::Succeeded, 1)).unwrap();
    let reporter = Reporter::new(publisher, outgoing, seen.clone());
    let running = tokio::spawn(reporter.run(|| ()));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    // One that can be read is written to.
    seen.send_modify(|seen| seen.status = Some(FileIntegrityNodeStatus::default()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    running.abort();
    assert_eq!(writes.load(Ordering::Relaxed), 2);
}
