use super::*;

#[test]
fn stat_is_parsed_with_any_name() {
    let stat = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 1000 4096 3 0";
    let values = Values::parse(stat, Some(500.0), 100.0, 4096.0).unwrap();
    let all = [
        values.cpu_seconds,
        values.resident,
        values.virtual_memory,
        values.started.unwrap(),
    ];
    assert_eq!(all.map(|v| v.to_string()), ["2", "12288", "4096", "510"]);
}

#[test]
fn the_metrics_of_this_process_can_be_read() {
    let values = Values::read().unwrap();
    assert!(values.resident > 0.0 && values.started.is_some());
    assert!(open_files() <= max_files());
}
