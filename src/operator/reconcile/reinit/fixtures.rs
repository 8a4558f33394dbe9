//! Inputs for the tests of requests.

use std::collections::BTreeSet;

use crate::api::FileIntegrity;

/// A FileIntegrity with these annotations.
pub(crate) fn annotated(annotations: &[(&str, &str)]) -> FileIntegrity {
    let mut fi = FileIntegrity::default();
    fi.metadata.uid = Some("u".to_owned());
    fi.metadata.resource_version = Some("7".to_owned());
    fi.metadata.annotations = Some(
        annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    );
    fi
}

/// The names of the selected nodes.
pub(crate) fn selected() -> BTreeSet<String> {
    ["n1", "n2", "n3"].map(str::to_owned).into()
}
