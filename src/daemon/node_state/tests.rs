use super::*;

#[test]
fn an_open_failure_is_the_newest_result_that_is_not_errored() {
    let result = |condition, second: i64| {
        let at = jiff::Timestamp::from_second(second).unwrap();
        ScanResult {
            files_changed: 3,
            result_config_map_name: Some("log".to_owned()),
            result_config_map_namespace: Some("ns".to_owned()),
            ..ScanResult::new(condition, at.into())
        }
    };
    let (ok, failed) = (Condition::Succeeded, Condition::Failed);
    let open = Some("a:0,c:3,r:0 log:ns/log".to_owned());
    for (last, others, expected) in [
        (None, vec![], None),
        (Some(result(failed, 2)), vec![result(ok, 1)], open.clone()),
        (Some(result(ok, 2)), vec![result(failed, 1)], None),
        // The clock was set back.
        (Some(result(failed, 2)), vec![result(ok, 2)], open.clone()),
        (
            Some(result(Condition::Errored, 9)),
            vec![result(ok, 1), result(failed, 2)],
            open.clone(),
        ),
        (
            Some(result(Condition::Errored, 9)),
            vec![result(failed, 1), result(ok, 2)],
            None,
        ),
    ] {
        let status = FileIntegrityNodeStatus {
            last_result: last,
            results: others,
            ..FileIntegrityNodeStatus::default()
        };
        assert_eq!(open_failure(&status), expected, "{status:?}");
    }
}
