use super::*;

#[tokio::test(start_paused = true)]
async fn the_same_watch_is_opened_at_most_once_per_second() {
    let watches = Watches::default();
    let start = Instant::now();
    let after = |uri: &'static str| watches.next_start(&Uri::from_static(uri)) - start;
    let s = Duration::from_secs;
    assert_eq!(after("/x?watch=true&resourceVersion=1"), s(0));
    assert_eq!(
        after("/x?watch=true&fieldSelector=a&resourceVersion=1"),
        s(0)
    );
    tokio::time::advance(Duration::from_millis(10)).await;
    assert_eq!(after("/x?watch=true&resourceVersion=2"), s(1));
    tokio::time::advance(s(1)).await;
    assert_eq!(after("/x?watch=true&resourceVersion=3"), s(2));
    tokio::time::advance(s(5)).await;
    assert_eq!(
        watches.next_start(&Uri::from_static("/x?watch=true")),
        Instant::now()
    );
}
