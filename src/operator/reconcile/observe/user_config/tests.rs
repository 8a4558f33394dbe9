//! Tests of what is known of a ConfigMap after errors.

use super::*;

fn status(code: u16) -> kube::Error {
    let status = kube::core::Status::failure("no", "Reason").with_code(code);
    kube::Error::Api(status.boxed())
}

#[test]
fn the_state_stays_after_errors_except_refusals() {
    use UserConfigState::{Error, Found, Missing, Unknown};
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchStartFailed};
    let found = || Found(BTreeMap::from([("a".to_owned(), "b".to_owned())]));
    let item: ConfigMap = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "c"}, "data": {"a": "b"},
    }))
    .unwrap();
    let other = || Error("other".to_owned());
    let is_error = |state: &UserConfigState| matches!(state, Error(text) if text != "other");
    for before in [Unknown, Missing, found(), other()] {
        let listed = before.after(Ok(Some(Ok(item.clone()))), "c", false);
        assert_eq!(listed, found());
        assert_eq!(before.after(Ok(None), "c", true), Missing);
    }
    // Before, has listed, error, stays.
    let table = [
        (found(), false, InitialListFailed(status(503)), true),
        (found(), false, NoResourceVersion, true),
        (found(), true, WatchStartFailed(status(429)), true),
        // The next list shows it.
        (found(), true, WatchStartFailed(status(403)), true),
        (found(), false, InitialListFailed(status(403)), false),
        (Missing, false, InitialListFailed(status(401)), false),
        (Missing, false, InitialListFailed(status(500)), true),
        (Unknown, false, InitialListFailed(status(503)), false),
        (other(), false, InitialListFailed(status(503)), false),
    ];
    for (before, has_listed, error, stays) in table {
        let what = format!("{before:?} {has_listed} {error:?}");
        let after = before.after(Err(error), "c", has_listed);
        assert_eq!(after == before, stays, "{what}");
        assert_eq!(is_error(&after), !stays, "{what}");
    }
}
