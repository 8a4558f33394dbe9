use super::*;

#[test]
fn requests_have_the_verbs_of_the_api() {
    let table = [
        ("GET", "/api/v1/namespaces/ns/pods", "list"),
        ("GET", "/api/v1/namespaces/ns/pods?watch=true&x=1", "watch"),
        ("GET", "/api/v1/nodes?limit=1", "list"),
        ("GET", "/api/v1/nodes/n1", "get"),
        ("GET", "/api/v1/namespaces/ns", "get"),
        ("GET", "/apis", "get"),
        ("GET", "/apis/apps/v1", "get"),
        ("GET", "/version", "get"),
        ("POST", "/api/v1/namespaces/ns/configmaps", "create"),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/ns/daemonsets/d?force=true",
            "patch",
        ),
        ("PUT", "/apis/g/v1/namespaces/ns/leases/l", "update"),
        ("DELETE", "/apis/g/v1/namespaces/ns/leases/l", "delete"),
        (
            "DELETE",
            "/apis/g/v1/namespaces/ns/leases",
            "deletecollection",
        ),
    ];
    for (method, uri, expected) in table {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(verb(&method, &uri.parse().unwrap()), expected, "{uri}");
    }
}
