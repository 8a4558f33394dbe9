//! What every test needs: its own nodes, FileIntegrities that are deleted at its end, waiting and
//! polling, and the state of the cluster after a failure.

pub(crate) mod audit;
pub(crate) mod cluster;
pub(crate) mod dump;
pub(crate) mod file_integrity;
pub(crate) mod lease;
pub(crate) mod monitoring;
pub(crate) mod node;
pub(crate) mod secrets;
pub(crate) mod test;
pub(crate) mod wait;

pub(crate) use self::file_integrity::Fi;
pub(crate) use self::node::Node;
pub(crate) use self::test::{
    Test, on_all_nodes, on_all_nodes_for, on_one_node, on_one_node_for, on_two_nodes,
};
pub(crate) use self::wait::until;
