//! Tests of concurrent writes.

use super::*;
use crate::api::DesiredNodeState;
use crate::k8s::RequestError;
use crate::operator::reconcile::plan::DesiredNodeStatus;

fn status_of(node: &str) -> DesiredObject {
    DesiredObject::NodeStatus(Box::new(DesiredNodeStatus {
        node: node.into(),
        desired: DesiredNodeState::default(),
        existing: None,
    }))
}

fn node_of(desired: &DesiredObject) -> &str {
    match desired {
        DesiredObject::NodeStatus(status) => &status.node,
        _ => "",
    }
}

fn no_answer(action: &str) -> ApplyError {
    ApplyError::Request(RequestError::Timeout {
        action: action.to_owned(),
        timeout: Duration::from_secs(30),
    })
}

fn collision(status: &str) -> ApplyError {
    ApplyError::NameCollision {
        kind: "FileIntegrityNodeStatus",
        name: status.to_owned(),
        owner: "FileIntegrity x".to_owned(),
    }
}

#[test]
fn writes_beside_a_failed_one_are_recorded() {
    let desired = ["n1", "n2", "n3", "n4", "n5", "n6"].map(status_of);
    let applied = || Ok(Some(Applied::default()));
    let results = [
        applied(),
        Err(no_answer("apply fi-n2")),
        Err(collision("fi-n3")),
        Ok(None),
        Err(no_answer("apply fi-n5")),
        applied(),
    ];
    let (mut collisions, mut recorded) = (Collisions::default(), Vec::new());
    let done = collect_results(
        desired.iter().zip(results),
        &mut collisions,
        |desired, result| {
            recorded.push(match result {
                Ok(Some(_)) => format!("{} applied", node_of(desired)),
                Ok(None) => format!("{} unchanged", node_of(desired)),
                Err(_) => format!("{} failed", node_of(desired)),
            });
        },
    );
    let expected = [
        "n1 applied",
        "n2 failed",
        "n4 unchanged",
        "n5 failed",
        "n6 applied",
    ];
    assert_eq!(recorded, expected);
    let error = done.unwrap_err().to_string();
    assert_eq!(error, "apply fi-n2: no response within 30 s");
    assert_eq!(collisions.messages, [collision("fi-n3").to_string()]);
    assert_eq!(collisions.nodes, ["n3".into()].into());
}
