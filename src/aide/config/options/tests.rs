use super::*;

#[test]
fn run_options_override_all_others() {
    let options = RunOptions {
        workers: 2,
        database_in: "/hostroot/etc/kubernetes/aide.db.gz".into(),
        database_new: None,
        database_out: "/hostroot/etc/kubernetes/aide.db.gz.new".into(),
        json_report: "/tmp/re port.json".into(),
        plain_report: "/hostroot/etc/kubernetes/aide.log.new".into(),
    };
    insta::assert_snapshot!("before", run_options_before(&options));
    insta::assert_snapshot!("after", run_options(&options));
}
