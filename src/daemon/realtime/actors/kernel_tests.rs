//! With the real kernel, as root, in the process namespace of the machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::aide::config::prepare;
use crate::aide::coverage::{Coverage, Extent};
use crate::api::Actor;
use crate::daemon::realtime::dirty_paths::DirtyPaths;
use crate::daemon::realtime::kernel_watches::Preference;
use crate::daemon::realtime::own_files::OwnFiles;
use crate::daemon::realtime::shared::Shared;
use crate::daemon::realtime::watcher::{Node, Watcher};
use crate::locks::lock;

/// How often each command changes the file.
const ROUNDS: usize = 50;

/// A node whose directory `etc` is watched.
struct Site {
    root: TempDir,
    shared: Arc<Shared>,
    watcher: Watcher,
    runtime: tokio::runtime::Runtime,
}

impl Site {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        let host_root = root.path().to_str().unwrap().to_owned();
        let effective = prepare("/etc R\n", "/etc/kubernetes", &host_root).unwrap();
        let (notices, _unread) = tokio::sync::mpsc::unbounded_channel();
        let dirty = DirtyPaths::new(Duration::ZERO, host_root);
        let shared = Arc::new(Shared::new(dirty, Instant::now(), notices));
        let node = Node {
            host_root: root.path().to_owned(),
            own_files: OwnFiles::in_dir("/etc/kubernetes"),
            backend: Preference::Auto,
            has_actors: true,
        };
        let watcher = Watcher::start(node, Arc::clone(&shared)).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(watcher.watch(effective.effective.into()));
        Self {
            root,
            shared,
            watcher,
            runtime,
        }
    }

    fn file(&self) -> PathBuf {
        self.root.path().join("etc/f")
    }

    /// The actor of the last change of the file.
    fn actor(&self) -> Option<Arc<Actor>> {
        self.runtime.block_on(self.watcher.drain());
        let mut part = Coverage::default();
        part.add(b"/etc/f", Extent::Own);
        let taken = lock(&self.shared.actors).take(&part);
        taken.of(b"/etc/f")
    }
}

/// The program of a command, without links.
fn program(name: &str) -> String {
    let path = ["/usr/bin", "/bin"].map(|directory| Path::new(directory).join(name));
    let path = path.iter().find_map(|path| path.canonicalize().ok());
    path.unwrap().to_str().unwrap().to_owned()
}

fn start(command: &[String]) -> Child {
    let command = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    command.unwrap()
}

/// What is known of changes.
#[derive(Debug, Default)]
struct Count {
    known: usize,
    unknown: usize,
    wrong: Vec<String>,
}

impl Count {
    fn add(&mut self, actor: Option<&Actor>, exe: &str, pid: Option<u32>) {
        let Some(actor) = actor else {
            self.unknown += 1;
            return;
        };
        let is_right = actor.exe == exe && pid.is_none_or(|pid| actor.pid == i64::from(pid));
        if is_right {
            self.known += 1;
        } else {
            self.wrong.push(format!("{actor:?}, not {exe} {pid:?}"));
        }
    }
}

#[test]
fn short_and_long_commands_are_known_and_never_wrong() {
    let site = Site::new();
    let file = site.file();
    let path = file.to_str().unwrap();
    let script = site.root.path().join("script");
    fs::write(&script, format!("#!/bin/sh\necho x > {path}\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let shell = |text: String| vec!["/bin/sh".to_owned(), "-c".to_owned(), text];
    let words = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let commands = [
        ("shell", shell(format!("echo x > {path}")), "sh", true),
        ("touch", words(format!("touch {path}")), "touch", true),
        ("chmod", words(format!("chmod 600 {path}")), "chmod", true),
        ("cp", words(format!("cp /etc/passwd {path}")), "cp", true),
        ("sed", words(format!("sed -i s/x/y/ {path}")), "sed", true),
        ("exec", shell(format!("exec touch {path}")), "touch", true),
        // A later program of the same process did not do it.
        (
            "before exec",
            shell(format!("echo x > {path}; exec true")),
            "sh",
            true,
        ),
        (
            "script",
            vec![script.to_str().unwrap().to_owned()],
            "sh",
            true,
        ),
        (
            "subshell",
            shell(format!("(echo x > {path}); true")),
            "sh",
            false,
        ),
    ];
    let mut counts: Vec<(&str, Count)> = Vec::new();
    for (name, command, expected, is_own_pid) in &commands {
        let mut count = Count::default();
        for _ in 0..ROUNDS {
            let mut child = start(command);
            assert!(child.wait().unwrap().success());
            let pid = is_own_pid.then(|| child.id());
            count.add(site.actor().as_deref(), &program(expected), pid);
        }
        counts.push((name, count));
    }
    counts.push(("long-lived shell", long_lived(&site, path)));
    let own = std::env::current_exe().unwrap().canonicalize().unwrap();
    let mut count = Count::default();
    for _ in 0..ROUNDS {
        fs::write(&file, "x").unwrap();
        let pid = Some(std::process::id());
        count.add(site.actor().as_deref(), own.to_str().unwrap(), pid);
    }
    counts.push(("this process", count));

    for (name, count) in &counts {
        let Count { known, unknown, .. } = count;
        println!(
            "{name}: {known} known, {unknown} unknown, {} wrong",
            count.wrong.len()
        );
        assert_eq!(count.wrong, [""; 0], "{name}");
    }
    // A subshell has the program of its shell, which nothing shows when it has ended.
    let certain = counts.iter().filter(|(name, _)| *name != "subshell");
    let known: usize = certain.clone().map(|(_, count)| count.known).sum();
    let all = certain.count() * ROUNDS;
    assert!(known * 10 >= all * 9, "{known} of {all} are known");
}

/// A shell that writes whatever it is told.
fn long_lived(site: &Site, path: &str) -> Count {
    let text = format!("while read line; do echo $line > {path}; echo; done");
    let mut child = start(&["/bin/sh".to_owned(), "-c".to_owned(), text]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut count = Count::default();
    for _ in 0..ROUNDS {
        input.write_all(b"x\n").unwrap();
        output.read_line(&mut String::new()).unwrap();
        let pid = Some(child.id());
        count.add(site.actor().as_deref(), &program("sh"), pid);
    }
    drop(input);
    assert!(child.wait().unwrap().success());
    count
}

#[test]
fn an_actor_is_described() {
    let site = Site::new();
    fs::write(site.file(), "x").unwrap();
    let actor = site.actor().expect("this process");
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap();
    let login_uid: i64 = read("loginuid").parse().unwrap();
    let login_uid = Some(login_uid).filter(|uid| *uid != i64::from(u32::MAX));
    assert_eq!(actor.login_uid, login_uid);
    // The thread has a name of its own.
    let pid = std::process::id();
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!(actor.comm.as_deref(), Some(comm.trim_end()));
}
