//! Configurations that are made to cost much, in `ConfigMaps` that a user may write: each is refused
//! with its reason, and the operator works on for all other `FileIntegrities` meanwhile.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fio::testing::api::FileIntegrity;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{POLL_INTERVAL, answer, condition_of, in_space, message_of};
use crate::process::Process;

/// A liveness probe of the kubelet waits a second by default; a build without optimization, beside
/// other tests, gets more.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long AIDE may take to refuse one of them, beside other tests: alone it takes half a minute.
const LONG: Duration = Duration::from_secs(240);
/// Memory that the operator's process may have had; its container has 200 MiB, in which AIDE runs, too.
const MEMORY: u64 = 100 << 20;
/// Maximum length of a condition's message.
const MESSAGE: usize = 32_768;

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{}", line(number));
        text
    })
}

/// The name of each `ConfigMap`, its text, and a part of the reason.
fn hostile() -> [(&'static str, String, &'static str); 5] {
    let value = "a".repeat(32_000);
    let names = |number: usize| {
        let underscores = |(bit, letter): (usize, char)| match number >> bit & 1 {
            1 => format!("{letter}_"),
            _ => letter.to_string(),
        };
        ('a'..='p').enumerate().map(underscores).collect::<String>()
    };
    [
        (
            "names",
            lines(8_000, |n| format!("{} = p+u+g+sha256+acl", names(n + 1))),
            "AIDE error: 17",
        ),
        (
            "macros",
            format!(
                "@@define A {value}\n{}",
                lines(19_000, |n| format!("@@define B{n} @@{{A}}"))
            ),
            "the values of all macros have more than 4194304 bytes",
        ),
        (
            "work",
            format!(
                "@@define A {value}\n{}",
                lines(19_000, |n| format!("!/@@{{A}}{n}$"))
            ),
            "converting the configuration takes more than 33554432 steps",
        ),
        (
            "includes",
            "@@include /\n".repeat(80_000),
            "more diagnostics are not listed",
        ),
        (
            "repetitions",
            lines(4_900, |n| {
                format!("/d{n}/((((a{{1,9}}){{1,9}}){{1,9}}){{1,9}}) p")
            }),
            "the limit for a configuration is 96 MiB of memory",
        ),
    ]
}

/// One health check.
async fn is_healthy(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    Ok(())
}

/// Checks health without a pause, until that fails or takes too long.
async fn watch_health(address: SocketAddr) -> anyhow::Error {
    loop {
        let started = Instant::now();
        match tokio::time::timeout(PATIENCE, is_healthy(address)).await {
            Err(_) => return anyhow::anyhow!("no answer to a health check in {PATIENCE:?}"),
            Ok(Err(error)) => return error,
            Ok(Ok(())) => {}
        }
        tokio::time::sleep(Duration::from_millis(50).saturating_sub(started.elapsed())).await;
    }
}

#[tokio::test]
async fn hostile_configurations_do_not_stop_the_operator_for_others() -> anyhow::Result<()> {
    in_space("hostile-configs", async |space| {
        let free = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = free.local_addr()?;
        drop(free);
        space.node("n1").await?;
        for (name, text, _) in hostile() {
            let map = json!({"metadata": {"name": name}, "data": {"aide.conf": text}});
            let map: ConfigMap = serde_json::from_value(map)?;
            let maps = space.api::<ConfigMap>();
            maps.create(&PostParams::default(), &map).await?;
            let config = json!({"name": name, "namespace": space.namespace, "gracePeriod": 10});
            space
                .file_integrity(&format!("fi-{name}"), json!({"config": config}))
                .await?;
        }
        let operator = Process::with_health(space, "op", &address.to_string()).await?;
        operator.logs("leading").await?;
        let work = async {
            // It comes last, while the others are validated.
            space.file_integrity("good", json!({})).await?;
            space
                .until_is("aide-good", "a DaemonSet", |_: &DaemonSet| true)
                .await?;
            for (name, _, reason) in hostile() {
                let what = format!("{name} to be refused: {reason}");
                let refused = |fi: &FileIntegrity| message_of(fi, "ConfigValid").contains(reason);
                let (api, name_of_fi) = (space.api::<FileIntegrity>(), format!("fi-{name}"));
                let fi = answer(&what, POLL_INTERVAL, LONG, async || {
                    Ok(api.get_opt(&name_of_fi).await?.filter(refused))
                })
                .await?;
                let message = message_of(&fi, "ConfigValid");
                assert!(message.len() <= MESSAGE, "{name}: {} bytes", message.len());
                assert_eq!(condition_of(&fi, "ConfigValid"), "False/Refused", "{name}");
            }
            anyhow::Ok(())
        };
        tokio::select! {
            done = work => done?,
            error = watch_health(address) => return Err(error).context("health"),
        }
        operator.still_runs()?;
        let memory = operator.peak_memory()?;
        anyhow::ensure!(memory < MEMORY, "{memory} bytes of memory");
        operator.end().await
    })
    .await
}
