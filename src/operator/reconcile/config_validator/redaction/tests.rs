//! Tests of messages that do not quote the configuration.

use super::*;
use crate::aide::check::Checker;
use crate::aide::command::Aide;
use crate::operator::reconcile::config_validator::ConfigValidator;
use crate::testing::aide_binary::AIDE;

#[tokio::test]
async fn a_configuration_of_another_namespace_is_not_quoted() {
    let dir = tempfile::tempdir().unwrap();
    let validator = ConfigValidator::new(Checker::new(Aide::new(&*AIDE), dir.path().to_owned()));
    let table = [
        (
            "@@include /secret/file\n/etc secretgroup\n",
            "fio does not allow line 1",
        ),
        (
            "/etc p\n/usr secretgroup\n",
            "AIDE error: 17 Invalid configureline error: line 2; ",
        ),
        (
            "secret=p\nroot_prefix=/secret\n/etc secret\n",
            "there are warnings about line",
        ),
    ];
    for (text, expected) in table {
        let message = |verdict| match verdict {
            ConfigVerdict::Refused { message } => message,
            ConfigVerdict::Good { warnings, .. } => warnings.join("; "),
            other => panic!("{text}: {other:?}"),
        };
        // Two FileIntegrities may name the same text, and only one of them from its own namespace.
        for (quoting, is_quoted) in [(Quoting::Full, true), (Quoting::Redacted, false)] {
            let verdict = validator
                .validate(text, "/etc/kubernetes", quoting)
                .await
                .unwrap();
            let message = message(verdict);
            assert_eq!(message.contains("secret"), is_quoted, "{message}");
            assert!(is_quoted || message.starts_with(expected), "{message}");
            assert_eq!(
                message.contains("fio config check"),
                !is_quoted,
                "{message}"
            );
        }
    }
}

#[test]
fn kind_and_line_of_aides_message_are_kept() {
    for (message, expected) in [
        (
            "AIDE error: 17 Invalid x error: line 2: a: b",
            "AIDE error: 17 Invalid x error: line 2",
        ),
        (
            "AIDE error: 17 Invalid x error: line 2 s: b",
            "AIDE error: 17 Invalid x error",
        ),
        (
            "AIDE error: killed by signal 9: s",
            "AIDE error: killed by signal 9",
        ),
        ("AIDE did not finish in 20 s", "AIDE did not finish in 20 s"),
    ] {
        assert_eq!(without_text(message), expected);
    }
}
