use super::*;

fn parsed(arguments: &[&str]) -> Result<PluginCommand, String> {
    let all = [&["kubectl-file_integrity"], arguments].concat();
    let all: Vec<OsString> = all.into_iter().map(OsString::from).collect();
    parse(&all).map_err(|error| error.to_string())
}

#[test]
fn the_default_command_is_status() {
    for arguments in [&["-A", "-o", "json"][..], &["status", "-A", "-o", "json"]] {
        let debug = format!("{:?}", parsed(arguments).unwrap());
        assert!(debug.contains("all_namespaces: true"), "{debug}");
        assert!(debug.contains("output: Json"), "{debug}");
    }
}

#[test]
fn options_of_the_connection_may_precede_the_command() {
    for arguments in [
        &["-n", "x", "--context", "c", "status"][..],
        &["status", "-n", "x", "--context", "c"],
        &["-n", "x", "status", "--context", "c"],
        &["-n", "x", "--context", "c"],
    ] {
        let debug = format!("{:?}", parsed(arguments).unwrap());
        assert!(debug.contains("namespace: Some(\"x\")"), "{debug}");
        assert!(debug.contains("context: Some(\"c\")"), "{debug}");
    }
}

#[test]
fn options_of_status_may_not_precede_another_command() {
    for option in ["-w", "-A", "-l=a=b", "-o=json"] {
        let error = parsed(&[option, "status"]).unwrap_err();
        assert!(error.contains("must follow the command"), "{error}");
    }
}

#[test]
fn other_programs_are_not_the_plugin() {
    for name in ["fio", "/usr/bin/kubectl", "kubectl-file_integrity-x"] {
        let arguments = [OsString::from(name), OsString::from("--help")];
        assert!(run_as_plugin(&arguments).is_none(), "{name}");
    }
    for name in ["kubectl-file_integrity", "/x/kubectl-file_integrity.exe"] {
        let arguments = [OsString::from(name), OsString::from("--no-such-option")];
        assert!(run_as_plugin(&arguments).is_some(), "{name}");
    }
}
