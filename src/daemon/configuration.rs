//! Loads the configuration to run AIDE with. I/O.
//!
//! The mount of the ConfigMap lags by up to a minute. It is used if it has the desired configuration, and
//! to start while the API server is unreachable. Otherwise the ConfigMap is read from the API.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use crate::aide::config::config_hash;
use crate::aide::database::StateDir;
use crate::api::names;
use crate::file_error::FileError;
use crate::k8s::{RequestError, backoff, raw, request};

/// Maximum pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Why a configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    /// The mount has no configuration.
    #[error(
        "{} cannot be read; the daemon needs its FileIntegrity's active ConfigMap there, with the key {}",
        path.display(), names::KEY_EFFECTIVE_CONF
    )]
    Mount {
        /// Path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The ConfigMap could not be read.
    #[error(transparent)]
    Read(#[from] RequestError),
    /// The ConfigMap has another configuration.
    #[error("the ConfigMap {name} does not have the configuration {desired} yet")]
    Other {
        /// Name of the ConfigMap.
        name: String,
        /// Hash of the desired configuration.
        desired: String,
    },
    /// The file for AIDE could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
}

/// Sources of configurations, and the directory for AIDE.
#[derive(Clone)]
pub(crate) struct Configurations {
    /// Mount of the active ConfigMap.
    pub mount: PathBuf,
    /// A directory of the container's own.
    pub work_dir: PathBuf,
    /// Name of the active ConfigMap: that of the FileIntegrity.
    pub name: String,
    /// The ConfigMaps of the FileIntegrity's namespace.
    pub api: Api<ConfigMap>,
    /// The state directory. It has the configuration of the baseline, which may be desired longer than the ConfigMap
    /// has it: until changes are accepted.
    pub state: StateDir,
}

impl std::fmt::Debug for Configurations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Configurations")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Configurations {
    /// Loads the mounted configuration, and returns its hash.
    pub(crate) fn load_mounted(&self) -> Result<String, ConfigurationError> {
        let path = self.mount.join(names::KEY_EFFECTIVE_CONF);
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ConfigurationError::Mount { path, source })?;
        let hash = config_hash(&text);
        self.write(&hash, &text)?;
        Ok(hash)
    }

    /// Loads the configuration with this hash, however long that takes.
    pub(crate) async fn load(&self, desired: &str) {
        for pause in backoff(MAX_BACKOFF) {
            match self.try_load(desired).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(
                        error = crate::error_chain(&error),
                        "failed to load the configuration; retrying"
                    );
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn try_load(&self, desired: &str) -> Result<(), ConfigurationError> {
        if self.is_valid(desired) || self.load_mounted().is_ok_and(|hash| hash == desired) {
            return Ok(());
        }
        if let Some(text) = self.state.config_of_baseline(desired) {
            return self.write(desired, &text);
        }
        let read = raw::get(&self.api, &self.name);
        let config_map = request(format!("read the ConfigMap {}", self.name), read).await?;
        let text = config_map
            .data
            .unwrap_or_default()
            .remove(names::KEY_EFFECTIVE_CONF);
        match text {
            Some(text) if config_hash(&text) == desired => self.write(desired, &text),
            _ => Err(ConfigurationError::Other {
                name: self.name.clone(),
                desired: desired.to_owned(),
            }),
        }
    }

    /// The file with the configuration of this hash. It is checked before each run: a process on the node
    /// may have changed it.
    pub(crate) async fn file(&self, hash: &str) -> Result<PathBuf, ConfigurationError> {
        if !self.is_valid(hash) {
            tracing::warn!(hash, "the configuration file was changed; loading it again");
            self.try_load(hash).await?;
        }
        Ok(self.path(hash))
    }

    fn is_valid(&self, hash: &str) -> bool {
        std::fs::read_to_string(self.path(hash)).is_ok_and(|text| config_hash(&text) == hash)
    }

    /// Path of the file for the configuration with this hash.
    fn path(&self, hash: &str) -> PathBuf {
        self.work_dir.join(format!("aide.{hash}.conf"))
    }

    fn write(&self, hash: &str, text: &str) -> Result<(), ConfigurationError> {
        let path = self.path(hash);
        Ok(write_atomically(&path, text).map_err(FileError::on("write", &path))?)
    }
}

/// Writes a file atomically. A link in its place is not followed.
pub(super) fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::File::create_new(&new)?.write_all(text.as_bytes())?;
    std::fs::rename(new, path)
}

#[cfg(test)]
mod tests;
