use super::*;

const ROLES: &str = "kind: ServiceAccount\nmetadata: {name: file-integrity-operator}\n---\n\
    kind: Role\nmetadata: {name: file-integrity-operator}\nrules:\n\
    - {apiGroups: [''], resources: [secrets], verbs: [create]}\n\
    - {apiGroups: [''], resources: [secrets], resourceNames: [own], verbs: [update]}\n\
    - {apiGroups: [apps], resources: [daemonsets], verbs: [create, patch]}\n";

fn call(account: &str, verb: &str, resource: &str, name: &str, code: u16) -> Call {
    let group = if resource == "daemonsets" { "apps" } else { "" };
    Call {
        namespace: "ns".to_owned(),
        account: account.to_owned(),
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        code,
    }
}

const OPERATOR: &str = "file-integrity-operator";

#[test]
fn an_unused_permission_is_reported() {
    let grants = grants::read(ROLES).unwrap();
    assert_eq!(grants.len(), 4);
    let calls = [
        call(OPERATOR, "create", "secrets", "", 201),
        call("file-integrity-daemon", "update", "secrets", "own", 200),
        call(OPERATOR, "update", "secrets", "another", 200),
        call(OPERATOR, "patch", "daemonsets", "aide-fi", 200),
    ];
    let found = findings(&grants, &calls, &[], &[]);
    assert_eq!(
        found,
        [
            "file-integrity-operator update secrets/own: granted, and never used",
            "file-integrity-operator create daemonsets.apps: granted, and never used",
        ]
    );
}

#[test]
fn applying_what_is_not_there_creates_it() {
    let grants = grants::read(ROLES).unwrap();
    let calls = [
        call(OPERATOR, "create", "secrets", "", 409),
        call(OPERATOR, "update", "secrets", "own", 200),
        call(OPERATOR, "patch", "daemonsets", "aide-fi", 201),
    ];
    assert_eq!(findings(&grants, &calls, &[], &[]), Vec::<String>::new());
}

#[test]
fn a_reason_is_valid_only_while_its_test_uses_the_permission() {
    let grants = grants::read(ROLES).unwrap();
    let end_to_end = [
        call(OPERATOR, "create", "secrets", "", 201),
        call(OPERATOR, "patch", "daemonsets", "aide-fi", 201),
    ];
    let update = [call(OPERATOR, "update", "secrets", "own", 200)];
    let reason = Reason {
        account: OPERATOR,
        verb: "update",
        what: "secrets/own",
        why: "a certificate that is due",
        test: Some(("metrics.rs", "any")),
    };
    let stale = Reason {
        what: "secrets/unused",
        ..reason
    };
    let reasons = [reason];
    assert!(findings(&grants, &end_to_end, &update, &reasons).is_empty());
    assert_eq!(
        findings(&grants, &end_to_end, &[], &reasons),
        [
            "file-integrity-operator update secrets/own: no API test uses it, although its reason names one"
        ]
    );
    let both = [end_to_end.as_slice(), &update].concat();
    assert_eq!(
        findings(&grants, &both, &[], &[stale]),
        ["file-integrity-operator update secrets/unused: has a reason, and is not granted"]
    );
}

#[test]
fn calls_are_read_with_their_accounts() {
    let line = |user: &str, more: &str, code: u16| {
        format!(
            r#"{{"stage":"ResponseComplete","verb":"patch","user":{{"username":"{user}"}}{more},"objectRef":{{"resource":"fileintegrities","subresource":"status","apiGroup":"g","name":"fi"}},"responseStatus":{{"code":{code}}}}}"#
        ) + "\n"
    };
    let account = "system:serviceaccount:ns:file-integrity-operator";
    let as_account = format!(r#","impersonatedUser":{{"username":"{account}"}}"#);
    let log = [
        line(account, "", 200),
        line("admin", &as_account, 200),
        line("admin", "", 200),
        line(account, "", 403),
        line("system:serviceaccount:ns:default", "", 200),
        r#"{"stage":"ResponseCom"#.to_owned(),
    ]
    .concat();
    let calls = calls::read(&log).unwrap();
    assert_eq!(calls.len(), 2, "{calls:?}");
    for call in calls {
        assert_eq!(call.resource, "fileintegrities/status");
        assert_eq!((call.group.as_str(), call.name.as_str()), ("g", "fi"));
        assert_eq!(call.account, OPERATOR);
    }
}

#[test]
fn the_policys_name_ends_in_the_namespace() {
    let roles = "kind: ClusterRole\nmetadata: {name: file-integrity-operator}\nrules:\n\
        - {apiGroups: [''], resources: [secrets], verbs: [get], \
        resourceNames: [file-integrity-daemon.openshift-file-integrity]}\n";
    let grants = grants::read(roles).unwrap();
    let calls = [call(
        OPERATOR,
        "get",
        "secrets",
        "file-integrity-daemon.ns",
        200,
    )];
    assert!(findings(&grants, &calls, &[], &[]).is_empty());
}
