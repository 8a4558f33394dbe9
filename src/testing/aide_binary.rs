//! A real AIDE 0.19, or a script in its place, and directories that AIDE scans as a node.
//!
//! The variable `FIO_AIDE` has the path of AIDE. Otherwise `hack/aide` finds or builds one.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::aide::command::Aide;
use crate::aide::config::{Prepared, RunOptions, prepare, run_options, run_options_before};
use crate::aide::exit::{CheckStatus, decode, decode_plain};
use crate::aide::report::{Report, parse_json, parse_plain};
use crate::aide::stderr::Stderr;

/// The path of AIDE.
pub(crate) static AIDE: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(aide) = std::env::var_os("FIO_AIDE") {
        return aide.into();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/aide");
    let output = Command::new(&script).output().unwrap_or_else(|error| {
        panic!(
            "AIDE not found: FIO_AIDE is not set, {}: {error}",
            script.display()
        )
    });
    assert!(
        output.status.success(),
        "AIDE not found: FIO_AIDE is not set, and {} reports: {}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().into()
});

/// A script in place of AIDE. Another process writes it: if another test forked while this process has the file open for
/// writing, its execution would fail (ETXTBSY).
pub(crate) fn script(dir: &Path, text: &str) -> Aide {
    let path = dir.join("aide");
    let written = Command::new("sh")
        .args([
            "-c",
            r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod 755 "$1""#,
            "sh",
        ])
        .arg(&path)
        .arg(text)
        .status();
    assert!(written.unwrap().success());
    Aide::new(path)
}

/// The root directory of a node, and a directory for files outside of it.
pub(crate) struct Node {
    root: TempDir,
    pub(crate) aside: TempDir,
}

impl Node {
    pub(crate) fn new() -> Self {
        let node = Self {
            root: TempDir::new().unwrap(),
            aside: TempDir::new().unwrap(),
        };
        fs::create_dir_all(node.path("etc/kubernetes")).unwrap();
        node
    }

    pub(crate) fn root(&self) -> &str {
        self.root.path().to_str().unwrap()
    }

    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(path)
    }

    pub(crate) fn write(&self, path: impl AsRef<Path>, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn options(&self) -> RunOptions {
        let own = |name: &str| format!("{}/etc/kubernetes/{name}", self.root());
        RunOptions {
            workers: 2,
            database_in: own("aide.db.gz"),
            database_new: None,
            database_out: own("aide.db.gz.new"),
            json_report: self
                .aside
                .path()
                .join("report.json")
                .to_str()
                .unwrap()
                .to_owned(),
            plain_report: own("aide.log.new"),
        }
    }

    pub(crate) fn prepare(&self, text: &str) -> Prepared {
        prepare(text, "/etc/kubernetes", self.root()).unwrap()
    }

    /// Runs AIDE with a configuration and fio's own options, like the daemon. Repeats the run if AIDE skips something:
    /// other tests create and remove directories beside this one.
    pub(crate) fn aide(&self, mode: &str, effective: &str) -> Output {
        self.aide_with(&[mode], effective)
    }

    fn aide_with(&self, arguments: &[&str], effective: &str) -> Output {
        let config = self.aside.path().join("aide.conf");
        fs::write(&config, effective).unwrap();
        loop {
            let output = Command::new(&*AIDE)
                .args(arguments)
                .arg("--before")
                .arg(run_options_before(&self.options()))
                .arg("--config")
                .arg(&config)
                .arg("--after")
                .arg(run_options(&self.options()))
                .env_clear()
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            if Stderr::of(&stderr).skipped.count == 0 {
                return output;
            }
        }
    }

    pub(crate) fn config_file(&self) -> String {
        self.aside
            .path()
            .join("aide.conf")
            .to_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn init(&self, effective: &str) -> Report {
        let output = self.aide("--init", effective);
        let ended = decode_plain(output.status.code(), output.status.signal());
        assert_eq!(ended, Ok(()), "{}", String::from_utf8_lossy(&output.stderr));
        let options = self.options();
        fs::rename(options.database_out, options.database_in).unwrap();
        self.report()
    }

    pub(crate) fn check(&self, effective: &str) -> (CheckStatus, Report) {
        self.check_with(&["--check"], effective)
    }

    /// Compares only the entries that AIDE's `--limit` selects.
    pub(crate) fn check_within(&self, effective: &str, limit: &str) -> (CheckStatus, Report) {
        self.check_with(&["--check", "--limit", limit], effective)
    }

    fn check_with(&self, arguments: &[&str], effective: &str) -> (CheckStatus, Report) {
        let output = self.aide_with(arguments, effective);
        let status = decode(output.status.code(), output.status.signal());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !matches!(status, CheckStatus::Error(_)),
            "{status:?} {stderr}"
        );
        (status, self.report())
    }

    pub(crate) fn report(&self) -> Report {
        let mut report = parse_json(fs::File::open(self.options().json_report).unwrap()).unwrap();
        report.strip_host_root(self.root());
        report
    }

    pub(crate) fn plain_report(&self) -> Report {
        let mut report = parse_plain(&fs::read(self.options().plain_report).unwrap()).unwrap();
        report.strip_host_root(self.root());
        report
    }

    pub(crate) fn database(&self) -> Vec<u8> {
        let file = fs::File::open(self.options().database_in).unwrap();
        let mut database = Vec::new();
        flate2::read::MultiGzDecoder::new(file)
            .read_to_end(&mut database)
            .unwrap();
        database
    }

    /// The paths that a text selects, without the root.
    pub(crate) fn selected(&self, text: &str) -> Vec<String> {
        self.init(&self.prepare(text).effective);
        // The database has them in URL encoding.
        let database = String::from_utf8(self.database())
            .unwrap()
            .replace("%7E", "~");
        database
            .lines()
            .filter_map(|line| line.split(' ').next()?.strip_prefix(self.root()))
            .map(|path| if path.is_empty() { "/" } else { path }.to_owned())
            .collect()
    }
}
