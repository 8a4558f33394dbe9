//! FileIntegrityAcceptances: which nodes they include, what is requested of each node, and their status.
//!
//! The state of an acceptance is in the API only: its status, the requests in the annotations of the node statuses, and
//! the answers of the daemons. So an operator that is killed at any point continues with the same plan.
//!
//! 1. One node that shows the set gets the request with `publishReport`. It answers and publishes its report, and the
//!    operator verifies it ([`crate::operator::evidence`]).
//! 2. Only when this evidence exists, all other nodes get the request, a limited number at a time.
//! 3. When no node is waiting, or the time is over, the acceptance is complete.
//!
//! An acceptance that lists its changes is announced to all included nodes at once ([`announced`]): it names all new
//! values, so nothing has to be verified before.
//!
//! Guarantees: a node has at most one open request, that of the oldest acceptance. A node that has accepted gets no
//! other request for the same acceptance. A node that has answered gets no request of another acceptance until the stored
//! status of the first one has its answer, because the next answer replaces it. Limits: the outcome of a node that was replaced by that of a later acceptance
//! is kept only while the node is one of the 500 listed ones; the number of accepted nodes never decreases.

pub(crate) mod announced;
pub(crate) mod answers;
pub(crate) mod assessment;
pub(crate) mod included_nodes;
pub(crate) mod node;
pub(crate) mod orphans;
pub(crate) mod outcomes;
pub(crate) mod refusal;
pub(crate) mod status;
