//! The HTTP servers for metrics: those of the process, and those of the fleet over TLS and only for
//! authorized clients.

mod chunked_body;
mod connections;
mod content;
mod scrape_auth;
mod server;
mod serving_certificate;

pub(crate) use self::content::{Content, FLEET_PATH};
pub(crate) use self::scrape_auth::ScrapeAuth;
pub(crate) use self::server::Server;
pub(crate) use self::serving_certificate::{CA_FILE, Certificates};
