use proptest::prelude::*;

use super::*;

/// A record as the kernel writes it.
fn record(mask: u64, infos: &[Vec<u8>]) -> Vec<u8> {
    let infos = infos.concat();
    let length = u32::try_from(METADATA + infos.len()).unwrap();
    let mut record = length.to_ne_bytes().to_vec();
    record.extend([VERSION, 0]);
    record.extend(u16::try_from(METADATA).unwrap().to_ne_bytes());
    record.extend(mask.to_ne_bytes());
    record.extend((-1_i32).to_ne_bytes());
    record.extend(77_i32.to_ne_bytes());
    record.extend(infos);
    record
}

/// An information of this type. The kernel pads its name to a multiple of four bytes.
fn info(info_type: u8, handle: &[u8], name: &[u8]) -> Vec<u8> {
    let mut content = vec![1, 2, 3, 4, 5, 6, 7, 8];
    content.extend(u32::try_from(handle.len()).unwrap().to_ne_bytes());
    content.extend(9_i32.to_ne_bytes());
    content.extend(handle);
    content.extend(name);
    content.push(0);
    content.resize(content.len().next_multiple_of(4), 0);
    let mut info = vec![info_type, 0];
    info.extend(u16::try_from(HEADER + content.len()).unwrap().to_ne_bytes());
    info.extend(content);
    info
}

fn entry(mask: Mask, name: &[u8]) -> KernelEvent {
    entry_of(b"handle", mask, name)
}

fn entry_of(handle: &[u8], mask: Mask, name: &[u8]) -> KernelEvent {
    KernelEvent::Entry {
        mask,
        directory: WatchId::Handle(Handle {
            fsid: [1, 2, 3, 4, 5, 6, 7, 8],
            kind: 9,
            bytes: handle.to_vec(),
        }),
        name: name.to_vec(),
        pid: Pid::new(77),
    }
}

#[test]
fn records_of_one_read() {
    let created = Mask::CREATE | Mask::ON_DIRECTORY;
    let file = info(1, b"other", b"");
    let other = info(5, b"pidfd", b"");
    let buffer = [
        record(created.0, &[info(2, b"handle", b"new\nline")]),
        record(Mask::OVERFLOW.0, &[]),
        record(Mask::ATTRIB.0, &[other.clone(), info(2, b"handle", b".")]),
        record(Mask::ATTRIB.0, &[other]),
        record(Mask::ATTRIB.0, &[file]),
    ]
    .concat();
    let expected = [
        entry(created, b"new\nline"),
        KernelEvent::Overflow,
        entry(Mask::ATTRIB, b"."),
        entry_of(b"other", Mask::ATTRIB, b"."),
    ];
    assert_eq!(parse(&buffer).unwrap(), expected);
    let mut foreign = record(2, &[info(2, b"handle", b"name")]);
    foreign[20..24].fill(0);
    let pid = |event: &KernelEvent| match event {
        KernelEvent::Entry { pid, .. } => *pid,
        _ => None,
    };
    assert_eq!(
        parse(&foreign).unwrap().iter().map(pid).collect::<Vec<_>>(),
        [None]
    );
    assert!(created.has(Mask::ON_DIRECTORY) && !created.has(Mask::DELETE));
    assert_eq!(parse(&[]), Ok(Vec::new()));
}

#[test]
fn invalid_records() {
    let good = record(2, &[info(2, b"handle", b"name")]);
    let with = |index: usize, byte: u8| {
        let mut record = good.clone();
        record[index] = byte;
        record
    };
    for (buffer, expected) in [
        (good[..good.len() - 1].to_vec(), "it is incomplete"),
        (good[..3].to_vec(), "it is incomplete"),
        (with(0, 23), "its length is too small"),
        (with(4, 2), "its version is not 3"),
        (with(6, 23), "its metadata has an impossible length"),
        (with(6, 200), "its metadata has an impossible length"),
        (with(26, 3), "an information has an impossible length"),
        (with(26, 250), "an information has an impossible length"),
        (with(36, 129), "its file handle is too long"),
        (with(36, 100), "its file handle is incomplete"),
        (
            record(2, &[info(2, b"handle", b"")]),
            "its name is not that of an entry",
        ),
        (
            record(2, &[info(2, b"handle", b"..")]),
            "its name is not that of an entry",
        ),
        (
            record(2, &[info(2, b"handle", b"a/b")]),
            "its name is not that of an entry",
        ),
    ] {
        assert_eq!(parse(&buffer), Err(InvalidRecord(expected)), "{buffer:?}");
    }
}

proptest! {
    /// No bytes make the parser panic, and it ends.
    #[test]
    fn any_bytes_are_parsed_or_refused(
        start in prop::collection::vec(any::<u8>(), 0..8),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at in 0_usize..120,
    ) {
        drop(parse(&bytes));
        let mut damaged = record(2, &[info(2, b"handle", b"name"), info(1, b"h", b"")]);
        let at = at.min(damaged.len());
        damaged.splice(at..damaged.len().min(at + start.len()), start);
        drop(parse(&damaged));
    }
}
