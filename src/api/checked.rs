//! Names that somebody else wrote, checked before they are used. Pure.
//!
//! A name becomes part of a request's path or of a selector. A text such as `ns/secrets?x=` in the
//! place of a namespace makes another request of it, with the rights of whoever sends it. So a text
//! from an object, an annotation, an argument or the environment becomes one of these types first,
//! and what makes requests for such names takes no other.

use std::fmt;
use std::str::FromStr;

/// Longest DNS subdomain and longest key of a ConfigMap (Kubernetes documentation, object names).
const MAX_NAME: usize = 253;
/// Longest DNS label.
const MAX_LABEL: usize = 63;
/// A text is quoted in messages up to this number of characters.
const QUOTED: usize = 64;

/// A text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown} is not {what}: {allowed}")]
pub struct NameError {
    shown: String,
    what: &'static str,
    allowed: &'static str,
}

macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:literal, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes a text if it is valid; the error says what is allowed.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError {
                        shown: quoted(text),
                        what: $what,
                        allowed: $allowed,
                    })
                }
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked!(
    /// The name of an object: a DNS subdomain (RFC 1123).
    ObjectName,
    "the name of an object",
    "allowed are at most 253 lower-case letters, digits, '-' and '.'; each part between dots begins and ends with a letter or digit",
    is_subdomain
);

checked!(
    /// The name of a namespace: a DNS label (RFC 1123).
    NamespaceName,
    "the name of a namespace",
    "allowed are at most 63 lower-case letters, digits and '-'; it begins and ends with a letter or digit",
    is_label
);

checked!(
    /// A data key of a ConfigMap.
    ConfigMapKey,
    "a key of a ConfigMap",
    "allowed are at most 253 letters, digits, '-', '_' and '.'; '.', '..' and what begins with '..' are not",
    is_key
);

fn is_subdomain(text: &str) -> bool {
    text.len() <= MAX_NAME && text.split('.').all(is_dns_part)
}

fn is_label(text: &str) -> bool {
    text.len() <= MAX_LABEL && is_dns_part(text)
}

/// A DNS label of any length: what an object's name has between dots may have more than 63 characters.
fn is_dns_part(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.bytes().all(is_inner)
}

fn is_key(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty()
        && text.len() <= MAX_NAME
        && text != "."
        && !text.starts_with("..")
        && text.bytes().all(is_inner)
}

/// Whether a text can be the id of a re-initialization request: it becomes an argument of a container
/// and the content of a file on nodes.
pub fn is_request_id(text: &str) -> bool {
    is_label(text)
}

/// A text of somebody else's for a message: on one line, in quotes, with control characters escaped,
/// and not longer than a name needs to be recognized.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

/// As [`quoted`], without the quotes.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.escape_debug().to_string()
}

/// The name of an object for an argument of a command line.
pub fn object_name_argument(text: &str) -> Result<String, NameError> {
    argument::<ObjectName>(text)
}

/// The name of a namespace for an argument of a command line.
pub fn namespace_argument(text: &str) -> Result<String, NameError> {
    argument::<NamespaceName>(text)
}

/// An empty argument, such as an environment variable that is set to nothing, is no name, and its
/// command chooses what it means.
fn argument<T>(text: &str) -> Result<String, NameError>
where
    T: FromStr<Err = NameError> + fmt::Display,
{
    if text.is_empty() {
        return Ok(String::new());
    }
    text.parse::<T>().map(|name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_api_takes_for_one() {
        let long = "a".repeat(253);
        let too_long = "a".repeat(254);
        let label = "a".repeat(63);
        let too_long_a_label = "a".repeat(64);
        // Text, object name, namespace, key.
        let table = [
            ("a", true, true, true),
            ("a-b.c0", true, false, true),
            ("0", true, true, true),
            (&label, true, true, true),
            (&too_long_a_label, true, false, true),
            (&long, true, false, true),
            (&too_long, false, false, false),
            ("", false, false, false),
            ("-a", false, false, true),
            ("a-", false, false, true),
            ("a..b", false, false, true),
            (".a", false, false, true),
            ("a.", false, false, true),
            (".", false, false, false),
            ("..", false, false, false),
            ("..data", false, false, false),
            ("A", false, false, true),
            ("a_b", false, false, true),
            ("ä", false, false, false),
            ("a/b", false, false, false),
            ("a?b", false, false, false),
            ("a#b", false, false, false),
            ("a%2fb", false, false, false),
            ("a,b", false, false, false),
            ("a=b", false, false, false),
            ("a b", false, false, false),
            ("a\nb", false, false, false),
            ("a\0", false, false, false),
            ("ns/secrets?x=", false, false, false),
        ];
        for (text, name, namespace, key) in table {
            assert_eq!(ObjectName::parse(text).is_ok(), name, "{text:?}");
            assert_eq!(NamespaceName::parse(text).is_ok(), namespace, "{text:?}");
            assert_eq!(ConfigMapKey::parse(text).is_ok(), key, "{text:?}");
        }
    }

    #[test]
    fn a_request_has_an_id_like_those_that_we_make() {
        assert!(is_request_id(&crate::api::names::short_hash("anything")));
        for text in ["", "a b", "config:a", "a\n", "../a", &"a".repeat(64)] {
            assert!(!is_request_id(text), "{text:?}");
        }
    }

    #[test]
    fn an_error_shows_the_text_on_one_line_and_not_all_of_a_long_one() {
        let error = NamespaceName::parse("a\n\u{1b}[31m/secrets?x=").unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with(
                r#""a\n\u{1b}[31m/secrets?x=" is not the name of a namespace: allowed are "#
            ),
            "{message}"
        );
        let message = ObjectName::parse(&"/".repeat(100_000))
            .unwrap_err()
            .to_string();
        assert!(message.chars().count() < 300, "{message}");
    }

    #[test]
    fn an_empty_argument_is_left_to_its_command() {
        assert_eq!(namespace_argument(""), Ok(String::new()));
        assert_eq!(object_name_argument("a.b"), Ok("a.b".to_owned()));
        assert!(namespace_argument("a/b").is_err());
    }
}
