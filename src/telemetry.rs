//! How fio tells about itself: logs, health, metrics. Beside the other rooms, used by all.
//!
//! [`metrics`] holds the values, [`requests`] counts what goes to the API server, [`server`] answers
//! scrapes, with a body of [`pieces`]: over TLS with the certificate that [`certificate`] keeps, to whom
//! [`access`] lets in.

pub mod access;
pub mod certificate;
pub mod health;
pub mod logging;
pub mod metrics;
mod pieces;
pub mod requests;
pub mod server;
