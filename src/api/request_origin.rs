//! What a request for re-initialization was created for, as its ID shows. Pure.
//!
//! The ID reaches the daemon, which records it with what the new baseline accepts. An ID of an earlier
//! version has no origin.

/// What a request was created for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestOrigin {
    /// The annotation `re-init`.
    Annotation,
    /// The annotation `re-init-on-failed`.
    OnFailed,
    /// The end of an update of the node.
    NodeUpdate,
}

impl RequestOrigin {
    const ALL: [Self; 3] = [Self::Annotation, Self::OnFailed, Self::NodeUpdate];

    /// The end of the IDs.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Annotation => "-annotation",
            Self::OnFailed => "-on-failed",
            Self::NodeUpdate => "-node-update",
        }
    }

    /// The ID of a request that this hash identifies.
    pub(crate) fn request_id(self, hash: &str) -> String {
        format!("{hash}{}", self.suffix())
    }

    /// The origin of the request with this ID, if the ID has one.
    pub(crate) fn of_request(id: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|origin| id.ends_with(origin.suffix()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::names;
    use crate::api::object_name::NamespaceName;

    #[test]
    fn the_id_of_a_request_shows_its_origin() {
        for origin in RequestOrigin::ALL {
            let id = origin.request_id(&names::short_hash("request"));
            assert_eq!(RequestOrigin::of_request(&id), Some(origin));
            assert!(NamespaceName::parse(&id).is_ok(), "{id}");
        }
        for id in ["", "0123456789abcdef", "annotation"] {
            assert_eq!(RequestOrigin::of_request(id), None);
        }
    }
}
