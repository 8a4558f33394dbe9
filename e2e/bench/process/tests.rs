use super::*;

#[test]
fn fields_are_found_by_the_whole_key() {
    let text = "VmHWM:\t    2048 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t9\n";
    assert_eq!(kilobytes(text, "VmHWM:"), 2_097_152);
    assert_eq!(field(text, "voluntary_ctxt_switches:"), 7);
    assert_eq!(field(text, "none:"), 0);
    assert_eq!(run_time("1500000000 12 3\n"), Duration::from_millis(1500));
}

#[test]
fn times_are_found_behind_a_name_with_blanks() {
    let stat = "7 (a b) c) S 1 7 7 0 -1 4 0 0 0 0 150 50 30 20 20 0";
    let usage = usage(stat, 100);
    assert_eq!(usage.own, Duration::from_secs(2));
    assert_eq!(usage.children, Duration::from_millis(500));
}

#[test]
fn this_process_has_memory_and_a_thread() {
    let sample = Sample::of(std::process::id()).unwrap();
    assert!(sample.rss >= sample.anonymous && sample.anonymous > 0 && sample.threads > 0);
}
