//! Checks a configuration: the rules of [`super::config`], then AIDE itself with `--config-check`,
//! with just the lines around it with which the daemons run it. I/O.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::command::{Aide, Around, Mode, RunError, Usage};
use super::config::{self, Diagnostic, Prepared, RunOptions};
use super::exit::{self, AideError};
use super::path_check::{self, Answer};
use crate::api::names;

/// How long AIDE may take over a configuration; it takes some milliseconds. With a tenth of a CPU it has
/// its time on the CPU well before this.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Mebibytes that AIDE may use for a configuration. The most lines of rules that it reads, each with a
/// regular expression of its own, take 49 (AIDE 0.19.1); the operator's container has 200.
const MAX_MEMORY_MIB: u64 = 96;
/// Seconds on a CPU that AIDE may use for a configuration; the same lines take 0.4.
const MAX_CPU_SECONDS: u64 = 3;

/// Why a configuration could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The text could not be put where AIDE reads it.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// AIDE could not be run.
    #[error("run AIDE to check a configuration")]
    Run(#[from] RunError),
    /// The conversion did not come to its end.
    #[error("convert a configuration")]
    Convert(#[from] tokio::task::JoinError),
    /// There is no such path on a node.
    #[error("{0} is no absolute path of a node, such as /etc/passwd or d:/etc")]
    NoPath(String),
    /// AIDE gave no answer that could be read.
    #[error("AIDE did not say whether {0} is watched")]
    NoAnswer(String),
}

/// What came of a check.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// AIDE takes it.
    Good(Prepared),
    /// It may not be used.
    Refused(Vec<Diagnostic>),
    /// AIDE does not take it: AIDE's message in terms of the text's own lines.
    RefusedByAide(String),
    /// AIDE has not come to an end, which need not be the text's fault: what became of it.
    Unanswered(String),
}

/// What AIDE has against a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Complaint {
    /// It does not take it.
    Refusal(String),
    /// It has not come to an end.
    NoAnswer(String),
}

/// Checks configurations with an AIDE.
#[derive(Clone, Debug)]
pub struct Checker {
    aide: Aide,
    /// A directory that this process may write to.
    work_dir: PathBuf,
    /// One configuration is checked at a time, so that the memory for one is enough.
    turn: Arc<Semaphore>,
}

impl Checker {
    /// A checker that asks this AIDE.
    pub fn new(aide: Aide, work_dir: PathBuf) -> Self {
        let aide = aide.using_at_most(Usage {
            memory: MAX_MEMORY_MIB << 20,
            cpu_seconds: MAX_CPU_SECONDS,
        });
        Self {
            aide,
            work_dir,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Checks a user's or a profile's text. Other tasks go on meanwhile.
    pub async fn check(&self, text: &str, state_dir: &str) -> Result<Verdict, CheckError> {
        // It is never closed.
        let _turn = self.turn.acquire().await.ok();
        let prepared = match prepare(text, state_dir).await? {
            Ok(prepared) => prepared,
            Err(refused) => return Ok(Verdict::Refused(refused.diagnostics)),
        };
        Ok(
            match self.complaint(&prepared.effective, text, state_dir).await? {
                Some(Complaint::Refusal(message)) => Verdict::RefusedByAide(message),
                Some(Complaint::NoAnswer(message)) => Verdict::Unanswered(message),
                None => Verdict::Good(prepared),
            },
        )
    }

    /// What AIDE has against what it would get, if anything.
    async fn complaint(
        &self,
        effective: &str,
        text: &str,
        state_dir: &str,
    ) -> Result<Option<Complaint>, CheckError> {
        let file = self.write(effective)?;
        let cancel = CancellationToken::new();
        let around = around(state_dir);
        let run = self.aide.run(Mode::ConfigCheck, &file.0, &around, &cancel);
        let Ok(finished) = tokio::time::timeout(TIMEOUT, run).await else {
            let message = format!(
                "AIDE did not finish --config-check in {} s",
                TIMEOUT.as_secs()
            );
            return Ok(Some(Complaint::NoAnswer(message)));
        };
        let finished = finished?;
        let Err(error) = exit::decode_plain(finished.code, finished.signal) else {
            return Ok(None);
        };
        let place = file.0.to_string_lossy();
        let stderr = finished.stderr.error.as_deref().unwrap_or_default();
        let detail = config::aide_error(stderr, effective, Some(text), &place);
        Ok(Some(complaint(error, &detail)))
    }

    /// Whether and by which line a path of the node is watched. `path` may have a file type in
    /// front, as in `d:/etc`; without one it is a regular file.
    pub async fn path(
        &self,
        effective: &str,
        state_dir: &str,
        path: &str,
    ) -> Result<Answer, CheckError> {
        let question = path_check::question(path, names::HOST_ROOT)
            .ok_or_else(|| CheckError::NoPath(path.to_owned()))?;
        let file = self.write(effective)?;
        let text = self
            .aide
            .path_check(&file.0, &around(state_dir), &question)
            .await?;
        path_check::parse(&text, &file.0.to_string_lossy(), names::HOST_ROOT)
            .ok_or_else(|| CheckError::NoAnswer(path.to_owned()))
    }

    /// Each check has a file of its own: two may look at the same text at the same time.
    fn write(&self, effective: &str) -> Result<Temporary, CheckError> {
        static CHECKS: AtomicU64 = AtomicU64::new(0);
        let number = CHECKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("aide.check.{}.{number}.conf", std::process::id());
        let path = self.work_dir.join(name);
        std::fs::write(&path, effective).map_err(|source| CheckError::Write {
            path: path.clone(),
            source,
        })?;
        Ok(Temporary(path))
    }
}

/// Converts the text on a thread where it keeps nobody waiting.
async fn prepare(
    text: &str,
    state_dir: &str,
) -> Result<Result<Prepared, config::Refused>, tokio::task::JoinError> {
    let (text, state_dir) = (text.to_owned(), state_dir.to_owned());
    let convert = move || config::prepare(&text, &state_dir, names::HOST_ROOT);
    tokio::task::spawn_blocking(convert).await
}

/// What an end of AIDE with an error means for the configuration.
fn complaint(error: AideError, detail: &str) -> Complaint {
    let message = match detail {
        "" => error.message(),
        detail => format!("{}: {detail}", error.message()),
    };
    let exceeded = match error {
        AideError::Memory => Some(format!("{MAX_MEMORY_MIB} MiB of memory")),
        // In the words of PCRE2.
        AideError::Configuration if detail.contains("failed to allocate") => {
            Some(format!("{MAX_MEMORY_MIB} MiB of memory"))
        }
        AideError::Signal(exit::SIGXCPU) => Some(format!("{MAX_CPU_SECONDS} s of CPU time")),
        _ => None,
    };
    if let Some(limit) = exceeded {
        return Complaint::Refusal(format!(
            "{message}; AIDE may use {limit} to read a configuration: use fewer rules, simpler regular \
             expressions, and shorter macros"
        ));
    }
    if error.is_crash() {
        return Complaint::Refusal(format!(
            "{message}; AIDE crashes when it reads the configuration: use simpler regular expressions"
        ));
    }
    if error.may_pass() {
        Complaint::NoAnswer(message)
    } else {
        Complaint::Refusal(message)
    }
}

/// A file that goes when it is not needed any more.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn around(state_dir: &str) -> Around {
    let state = format!("{}{state_dir}", names::HOST_ROOT);
    Around::of(&RunOptions::new(
        Path::new(&state),
        Path::new("/tmp/aide.report.json"),
        1,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aide::aide_tests::AIDE;

    const STATE: &str = "/etc/kubernetes";

    async fn check(text: &str) -> Verdict {
        let dir = tempfile::tempdir().unwrap();
        let checker = Checker::new(Aide::new(&*AIDE), dir.path().to_owned());
        let verdict = checker.check(text, STATE).await.unwrap();
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            0,
            "a file is left"
        );
        verdict
    }

    #[tokio::test]
    async fn good_refused_and_refused_by_aide() {
        assert!(matches!(check("/etc p+sha256\n").await, Verdict::Good(_)));
        let Verdict::Refused(diagnostics) = check("/etc p\n@@x_include /bin/id\n").await else {
            panic!("an include is refused");
        };
        assert_eq!(diagnostics[0].line, 2);
        let Verdict::RefusedByAide(message) = check("/etc p\n/usr nosuchgroup\n").await else {
            panic!("AIDE knows no such group");
        };
        assert!(
            message.starts_with("AIDE error: 17 Invalid configureline error: line 2: "),
            "{message}"
        );
    }

    /// Texts that the conversion takes, and that cost AIDE more than it may use.
    #[tokio::test]
    async fn aide_gets_no_more_than_its_memory() {
        let nested = |n: usize| format!("/d{n}/((((a{{1,9}}){{1,9}}){{1,9}}){{1,9}}) p\n");
        let directories = |n: usize| format!("{} p\n", "/d".repeat(n + 1));
        for text in [
            (0..4_900).map(nested).collect::<String>(),
            (0..900).map(directories).collect(),
        ] {
            let Verdict::RefusedByAide(message) = check(&text).await else {
                panic!("AIDE takes it: {text:.60}");
            };
            let limit = "; AIDE may use 96 MiB of memory to read a configuration: use fewer rules";
            assert!(message.contains(limit), "{message}");
        }
    }

    #[test]
    fn an_end_by_the_text_is_told_from_one_by_the_machine() {
        let table = [
            (Some(17), None, true),
            (Some(22), None, true),
            (Some(23), None, false),
            (None, Some(exit::SIGXCPU), true),
            (None, Some(11), true),
            (None, Some(9), false),
            (None, Some(15), false),
        ];
        for (code, signal, is_refusal) in table {
            let error = exit::decode_plain(code, signal).unwrap_err();
            let is_refused = matches!(complaint(error, ""), Complaint::Refusal(_));
            assert_eq!(is_refused, is_refusal, "{error}");
        }
    }

    #[test]
    fn the_end_of_one_check_leaves_the_file_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let checker = Checker::new(Aide::new(&*AIDE), dir.path().to_owned());
        let one = checker.write("/etc p\n").unwrap();
        let other = checker.write("/etc p\n").unwrap();
        drop(one);
        assert_eq!(std::fs::read_to_string(&other.0).unwrap(), "/etc p\n");
    }

    #[tokio::test]
    async fn a_path_is_looked_up_by_the_users_own_line() {
        let dir = tempfile::tempdir().unwrap();
        let checker = Checker::new(Aide::new(&*AIDE), dir.path().to_owned());
        let Verdict::Good(prepared) = check("# mine\nP = p+u\n/etc P+sha256\n!/etc/mtab$\n").await
        else {
            panic!("a good configuration");
        };
        let path = async |path| {
            checker
                .path(&prepared.effective, STATE, path)
                .await
                .unwrap()
        };
        let watched = path("/etc/passwd").await;
        assert_eq!((watched.watched, watched.line), (true, Some(3)));
        assert_eq!(watched.attributes.as_deref(), Some("p+u+sha256"));
        let excluded = path("/etc/mtab").await;
        assert_eq!((excluded.watched, excluded.line), (false, Some(4)));
        assert_eq!(path("d:/usr").await.kind, None);
        assert!(path("d:/etc/").await.watched);
        assert!(
            checker
                .path(&prepared.effective, STATE, "etc")
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn the_root_and_a_directory_with_a_slash_are_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let checker = Checker::new(Aide::new(&*AIDE), dir.path().to_owned());
        let watched = async |text: &str, path: &str| {
            let Verdict::Good(prepared) = check(text).await else {
                panic!("a good configuration");
            };
            let answer = checker.path(&prepared.effective, STATE, path).await;
            answer.unwrap().watched
        };
        assert!(watched("/ p\n-/proc\n", "d:/").await);
        assert!(!watched("/etc/ p\n", "d:/etc/").await);
        assert!(!watched("/etc/ p\n", "d:/etc").await);
        assert!(!watched("/etc p\n", "/").await);
        assert!(watched("/etc/pass.*$|/etc/shadow$ p\n", "/etc/shadow").await);
        let old = "verbose=5\n/etc p\n!/etc/old%20stuff\n/srv/My%20App p\n";
        assert!(watched(old, "/srv/My App/x").await);
        assert!(!watched(old, "/etc/old stuff/y").await);
        let deeper = "verbose=5\n/etc/app p\n!/etc/app/sub$\n/etc/app/sub/deep p\n";
        for path in [
            "/etc/app/sub/deep/c.conf",
            "d:/etc/app/sub/deep",
            "/etc/app/sub/b.conf",
        ] {
            assert!(watched(deeper, path).await, "{path}");
        }
        assert!(!watched(deeper, "d:/etc/app/sub").await);
    }
}
