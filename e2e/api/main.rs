//! Tests against a real apiserver.
