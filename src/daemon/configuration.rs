//! Gets the configuration that AIDE is to be run with. I/O.
//!
//! The ConfigMap's mount lags by up to a minute, so it serves where it already has what is wanted,
//! and for a start while the API is away; otherwise the ConfigMap is read once from the API.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use crate::aide::config::config_hash;
use crate::api::names;
use crate::k8s::{RequestError, backoff, request};

/// Longest pause between two tries.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Why a configuration is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The mount holds none.
    #[error(
        "{} cannot be read; the daemon needs its FileIntegrity's active ConfigMap there, with the key {}",
        path.display(), names::KEY_EFFECTIVE_CONF
    )]
    Mount {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The API did not give the ConfigMap.
    #[error(transparent)]
    Read(#[from] RequestError),
    /// The ConfigMap is not the one that is wanted (yet).
    #[error("the ConfigMap {name} does not hold the configuration {wanted} yet")]
    Other {
        /// Its name.
        name: String,
        /// The hash.
        wanted: String,
    },
    /// It could not be put where AIDE reads it.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Where configurations come from and go to.
#[derive(Clone)]
pub struct Configurations {
    /// The mount of the active ConfigMap.
    pub mount: PathBuf,
    /// A directory of the container's own.
    pub work_dir: PathBuf,
    /// Name of the active ConfigMap: that of the FileIntegrity.
    pub name: String,
    /// The ConfigMaps of the FileIntegrity's namespace.
    pub api: Api<ConfigMap>,
}

impl std::fmt::Debug for Configurations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Configurations")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Configurations {
    /// Takes what is mounted; returns its hash.
    pub fn load_mounted(&self) -> Result<String, ConfigurationError> {
        let path = self.mount.join(names::KEY_EFFECTIVE_CONF);
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ConfigurationError::Mount { path, source })?;
        let hash = config_hash(&text);
        self.keep(&hash, &text)?;
        Ok(hash)
    }

    /// Gets the configuration of this hash, however long that takes.
    pub async fn load(&self, wanted: &str) {
        for pause in backoff(MAX_BACKOFF) {
            match self.try_load(wanted).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(
                        error = crate::error_chain(&error),
                        "the configuration is not at hand yet"
                    );
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn try_load(&self, wanted: &str) -> Result<(), ConfigurationError> {
        if self.path(wanted).exists() || self.load_mounted().is_ok_and(|hash| hash == wanted) {
            return Ok(());
        }
        let read = self.api.get(&self.name);
        let config_map = request(format!("read the ConfigMap {}", self.name), read).await?;
        let text = config_map
            .data
            .unwrap_or_default()
            .remove(names::KEY_EFFECTIVE_CONF);
        match text {
            Some(text) if config_hash(&text) == wanted => self.keep(wanted, &text),
            _ => Err(ConfigurationError::Other {
                name: self.name.clone(),
                wanted: wanted.to_owned(),
            }),
        }
    }

    /// The file in which the configuration of this hash is kept.
    pub fn path(&self, hash: &str) -> PathBuf {
        self.work_dir.join(format!("aide.{hash}.conf"))
    }

    fn keep(&self, hash: &str, text: &str) -> Result<(), ConfigurationError> {
        let path = self.path(hash);
        write_whole(&path, text).map_err(|source| ConfigurationError::Write { path, source })
    }
}

/// Another task that sees the file sees all of it.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)?;
    std::fs::rename(new, path)
}
