//! The number of changes on a node has no limit; the resources of the daemon have.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fio::testing::api::{Condition, names};
use kube::ResourceExt as _;

use crate::chaos::{Row, lost_and_duplicated};
use crate::faults::Node;
use crate::harness::{answer, eventually, in_space};

/// Files with paths of some 4,000 bytes: AIDE writes each path twice into its JSON report, and once
/// into the plain one.
const FILES: u32 = 45_000;
/// Bytes of a path, which may have 4,096 with the zero at its end.
const PATH: usize = 4_050;
/// Bytes of a name.
const NAME: usize = 200;
/// Bytes that both reports have at least.
const REPORT: u64 = 500_000_000;
/// Memory that the daemon may have for it. The paths alone would be 180 MB.
const MEMORY: u64 = 96 << 20;
/// Bytes that stay on the node: a plain report of 64 MiB, and some small files.
const KEPT: u64 = 65 << 20;
/// How long all of it may take: AIDE writes for half a minute on an idle machine.
const PATIENCE: Duration = Duration::from_secs(900);
/// Files with names of bytes that are no text: the plain report has less than a million bytes, the
/// request with each byte written as `\ooo` has more than the API takes.
const NAMES_OF_BYTES: u32 = 2_600;

/// Makes a chain of directories in `top` and the files at its end, whose paths are that long when
/// `top` is called `final_top`. Returns how many entries that are, `top` included.
fn make_tree(top: &Path, final_top: &Path) -> std::io::Result<u32> {
    let mut directory = top.to_owned();
    let mut room = PATH - final_top.as_os_str().len() - (NAME + 1);
    let mut entries = 1;
    while room > 1 {
        let name = "d".repeat(NAME.min(room - 1));
        room -= name.len() + 1;
        directory.push(name);
        entries += 1;
    }
    std::fs::create_dir_all(&directory)?;
    for n in 0..FILES {
        std::fs::File::create(directory.join(format!("{n:0NAME$}")))?;
    }
    Ok(entries + FILES)
}

/// The largest sum of sizes that is seen in the daemon's directories until `seen` returns true.
async fn most_on_disk(
    node: &Node<'_>,
    what: &str,
    seen: impl AsyncFn() -> anyhow::Result<bool>,
) -> anyhow::Result<u64> {
    let most = std::cell::Cell::new(0);
    answer(what, Duration::from_millis(200), PATIENCE, async || {
        let now = node.own_files().iter().map(|(_, size)| size).sum();
        most.set(most.get().max(now));
        Ok(seen().await?.then_some(()))
    })
    .await?;
    Ok(most.get())
}

#[tokio::test]
async fn half_a_gigabyte_of_reports_is_reported_within_limits() -> anyhow::Result<()> {
    in_space("report", async |space| {
        let node = Node::start(space).await?;
        // Made elsewhere and moved in at once, so that no scan sees half of it.
        let (made, moved) = (node.elsewhere(), node.watched.join("many"));
        let (from, to) = (made.clone(), moved.clone());
        let added = tokio::task::spawn_blocking(move || make_tree(&from, &to)).await??;
        let before = node.daemon.peak_memory()?;
        std::fs::rename(&made, &moved)?;
        let mut expected = vec![node.clean(), node.added(added)];
        let until_reported = async || Ok(node.event_messages().await?.len() >= expected.len());
        let on_disk = most_on_disk(&node, "the changes to be reported", until_reported).await?;
        // The event comes before the status; the next scan may find that all is well.
        let result = eventually("the result in the status", async || {
            let result = node.status().await?.last_result;
            Ok(result.filter(|result| result.condition == Condition::Failed))
        })
        .await?;
        std::fs::rename(&moved, &made)?;
        let ended = Instant::now();
        anyhow::ensure!(on_disk > REPORT, "{on_disk} bytes are no long reports");
        let memory = node.daemon.peak_memory()?;
        anyhow::ensure!(
            memory < before + MEMORY,
            "{memory} bytes of memory, {before} before"
        );
        let files = node.own_files();
        let kept: u64 = files.iter().map(|(_, size)| size).sum();
        anyhow::ensure!(kept < KEPT, "{files:?}");

        assert_eq!(result.files_added, i64::from(added), "{result:?}");
        let log = node.failure_log().await?;
        let count = log.annotations().get(names::Annotation::FILES_ADDED);
        assert_eq!(count, Some(&added.to_string()));

        expected.push(node.clean());
        let until_clean = async || Ok(node.event_messages().await?.len() >= expected.len());
        most_on_disk(&node, "the end of the changes to be reported", until_clean).await?;
        let (lost, duplicated) = lost_and_duplicated(&expected, &node.event_messages().await?);
        node.daemon.still_runs()?;
        Row {
            fault: "reports of more than 500 MB".to_owned(),
            tried: 1,
            lost,
            duplicated,
            recovery_seconds: Some(ended.elapsed().as_secs_f64()),
        }
        .print()
    })
    .await
}

#[tokio::test]
async fn a_failure_log_of_names_that_are_not_text_is_complete() -> anyhow::Result<()> {
    in_space("bytes", async |space| {
        let node = Node::start(space).await?;
        let made = node.elsewhere();
        std::fs::create_dir(&made)?;
        for n in 0..NAMES_OF_BYTES {
            let mut name = format!("{n:05}").into_bytes();
            name.resize(250, 0xff);
            std::fs::File::create(made.join(OsStr::from_bytes(&name)))?;
        }
        std::fs::rename(&made, node.watched.join("many"))?;
        let expected = [node.clean(), node.added(NAMES_OF_BYTES + 1)];
        node.until_reported(&expected).await?;
        assert_eq!(node.event_messages().await?, expected);

        let log = node.failure_log().await?;
        let is_compressed = log
            .annotations()
            .contains_key(names::Annotation::COMPRESSED);
        assert!(is_compressed, "{:?}", log.annotations());
        let text = log
            .data
            .and_then(|mut data| data.remove(names::KEY_INTEGRITY_LOG));
        let packed = BASE64.decode(text.context("a log")?)?;
        let mut whole = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut whole)?;
        anyhow::ensure!(whole.len() < 1_000_000, "{} bytes", whole.len());
        let bytes = [0xff; 245];
        let named = whole.split(|byte| *byte == b'\n');
        let named = named.filter(|line| line.ends_with(&bytes)).count();
        assert_eq!(named, usize::try_from(NAMES_OF_BYTES)?);
        Ok(())
    })
    .await
}
