//! What the operator keeps of the objects that it watches. Pure, but for the clock.
//!
//! A fleet may have thousands of nodes. So only what reconciles and metrics use is kept, and values
//! that many objects share are kept once.

mod delegate_kind;
pub(crate) mod fingerprint;
pub(crate) mod freshness;
pub(crate) mod interner;
pub(crate) mod node;
pub(crate) mod node_status;
