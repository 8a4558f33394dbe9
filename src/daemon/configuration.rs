//! Gets the configuration that AIDE is to be run with. I/O.
//!
//! The ConfigMap's mount lags by up to a minute, so it serves where it already has what is wanted,
//! and for a start while the API is away; otherwise the ConfigMap is read once from the API.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use crate::aide::config::config_hash;
use crate::api::names;
use crate::k8s::{RequestError, backoff, raw, request};

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
        if self.is_kept(wanted) || self.load_mounted().is_ok_and(|hash| hash == wanted) {
            return Ok(());
        }
        let read = raw::get(&self.api, &self.name);
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

    /// The file with the configuration of this hash, which is looked at before each run: somebody on
    /// the node could have made it another's.
    pub async fn at_hand(&self, hash: &str) -> Result<PathBuf, ConfigurationError> {
        if !self.is_kept(hash) {
            tracing::warn!(
                hash,
                "the configuration is not what was written; it is got anew"
            );
            self.try_load(hash).await?;
        }
        Ok(self.path(hash))
    }

    fn is_kept(&self, hash: &str) -> bool {
        std::fs::read_to_string(self.path(hash)).is_ok_and(|text| config_hash(&text) == hash)
    }

    /// The file in which the configuration of this hash is kept.
    fn path(&self, hash: &str) -> PathBuf {
        self.work_dir.join(format!("aide.{hash}.conf"))
    }

    fn keep(&self, hash: &str, text: &str) -> Result<(), ConfigurationError> {
        let path = self.path(hash);
        write_whole(&path, text).map_err(|source| ConfigurationError::Write { path, source })
    }
}

/// Another task that sees the file sees all of it. A link that somebody put in the way is not
/// followed.
pub(super) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::File::create_new(&new)?.write_all(text.as_bytes())?;
    std::fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configurations(dir: &Path) -> Configurations {
        let (mount, work_dir) = (dir.join("mount"), dir.join("work"));
        std::fs::create_dir(&mount).unwrap();
        std::fs::create_dir(&work_dir).unwrap();
        let nowhere = kube::Config::new("https://127.0.0.1:1".parse().unwrap());
        let client = kube::Client::try_from(nowhere).unwrap();
        Configurations {
            mount,
            work_dir,
            name: "fi".to_owned(),
            api: Api::namespaced(client, "ns"),
        }
    }

    #[tokio::test]
    async fn what_aide_reads_is_what_was_asked_for_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let all = configurations(dir.path());
        let mounted = all.mount.join(names::KEY_EFFECTIVE_CONF);
        std::fs::write(&mounted, "/etc p\n").unwrap();
        let hash = all.load_mounted().unwrap();
        let path = all.at_hand(&hash).await.unwrap();

        let outside = dir.path().join("outside");
        std::fs::write(&outside, "text").unwrap();
        for place in [path.clone(), path.with_extension("new")] {
            std::fs::remove_file(&place).ok();
            std::os::unix::fs::symlink(&outside, place).unwrap();
        }
        let again = all.at_hand(&hash).await.unwrap();
        assert_eq!(std::fs::read_to_string(again).unwrap(), "/etc p\n");
        assert_eq!(std::fs::read_to_string(outside).unwrap(), "text");

        std::fs::write(&path, "/other p\n").unwrap();
        std::fs::write(&mounted, "/other p\n").unwrap();
        all.at_hand(&hash).await.unwrap_err();
    }
}
