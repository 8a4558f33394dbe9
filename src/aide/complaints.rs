//! What AIDE says on standard error besides errors. Pure.
//!
//! AIDE 0.19 goes on, and ends with the exit status of a whole run, where it could not read a
//! directory or a file; it only warns. The commonest reason is harmless by itself: the directory
//! changed between two looks at it (`failed to open directory '/etc' for reading: stat fields
//! changed: n (skipping recursion)`, seen when a subdirectory was made or removed at that moment).
//! But then everything below it is missing from the database, or counts as removed. Such a run
//! proves nothing and is to be done again. A file that was written while it was read is left without
//! digests: what such a run found is true, but that it found nothing proves nothing.

/// What ends a warning that a directory, with all below it, or a file was left out (`do_md.c` and
/// `gen_list.c` of AIDE 0.19).
const LEFT_OUT: [&str; 3] = [
    "(skipping recursion)",
    "could not be calculated)",
    "(skipping)",
];
/// Attributes that a file system lacks; one line for each directory of it.
const NOISE: &str = "(disabling ";
/// What ends a warning that a file was written while it was read: its digests are not compared, or
/// are missing in the database, as if its rule named none.
const IN_MOTION: &str = "(discarding calculated hashsums)";
/// What is gone when AIDE comes to it was removed meanwhile, and is to be missing.
const GONE: &str = "No such file or directory";

/// Whether a line of standard error is of no interest to anybody.
pub fn is_noise(line: &str) -> bool {
    let is_left_out = is_left_out(line.trim());
    if is_left_out {
        return reason(line).contains(GONE);
    }
    reason(line).contains(NOISE) || line.trim_start().starts_with("NOTICE:")
}

/// What AIDE could not read, one line each; empty for a run that saw everything.
pub fn left_out(stderr: &str) -> Vec<&str> {
    picked(stderr, |line| {
        is_left_out(line) && !reason(line).contains(GONE)
    })
}

/// What was written while AIDE read it, one line each.
pub fn in_motion(stderr: &str) -> Vec<&str> {
    picked(stderr, |line| line.ends_with(IN_MOTION))
}

fn picked(stderr: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<&str> {
    let lines = stderr.lines().map(str::trim);
    lines
        .filter(|line| is_wanted(line))
        .map(|line| line.trim_start_matches("WARNING:").trim())
        .collect()
}

/// What follows the path. A path can hold any text, and stands between quotation marks.
fn reason(line: &str) -> &str {
    line.rsplit('\'').next().unwrap_or(line)
}

fn is_left_out(line: &str) -> bool {
    LEFT_OUT.iter().any(|end| line.ends_with(end)) || is_partial_file(line)
}

/// `failed to open file '/x' for reading: stat fields changed: ... (disabling attrs requiring read
/// permissions: sha256)`: its content was not read.
fn is_partial_file(line: &str) -> bool {
    line.contains("failed to open ") && line.contains(" for reading: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_left_something_out_are_told_from_whole_ones() {
        let table = [
            ("", 0),
            (
                "WARNING: failed to open directory '/tmp' for reading: stat fields changed: n (skipping recursion)",
                1,
            ),
            (
                "WARNING: failed to open directory '/a' for reading directory contents: Permission denied (skipping recursion)",
                1,
            ),
            (
                "WARNING: hash calculation: failed to read file content of '/a': Input/output error (hashsums could not be calculated)",
                1,
            ),
            (
                "WARNING: failed to access '/a': No such file or directory (skipping)",
                0,
            ),
            (
                "WARNING: failed to access '/a': Permission denied (skipping)",
                1,
            ),
            (
                "WARNING: acl_get_fd() failed to get ACL for '/a': Operation not supported (disabling acl attribute)",
                0,
            ),
            (
                "WARNING: failed to open file '/a' for reading: open() failed: Resource temporarily unavailable (disabling attrs requiring read permissions: sha256)",
                1,
            ),
            (
                "WARNING: failed to open file '/a' for reading: open() failed: No such file or directory (disabling attrs requiring read permissions: sha256)",
                0,
            ),
            (
                "WARNING: '/a' has changed (changed fields: mtime) during hash calculation (discarding calculated hashsums)",
                0,
            ),
            ("WARNING: /etc/aide.conf:3: DEPRECATED", 0),
        ];
        for (stderr, expected) in table {
            assert_eq!(left_out(stderr).len(), expected, "{stderr}");
            assert!(expected == 0 || !is_noise(stderr), "it is kept: {stderr}");
        }
    }

    #[test]
    fn a_line_is_passed_on_without_its_level() {
        let stderr =
            "  WARNING: failed to open directory '/a' for reading: x (skipping recursion)\n";
        let expected = "failed to open directory '/a' for reading: x (skipping recursion)";
        assert_eq!(left_out(stderr), [expected]);
    }

    #[test]
    fn files_that_are_written_while_they_are_read_are_told() {
        let stderr = "  WARNING: '/a' has changed (changed fields: mtime) during hash calculation (discarding calculated hashsums)\n\
                      WARNING: number of bytes read for hash calculation (1) mismatches expected stat size (2) for '/b' (discarding calculated hashsums)\n\
                      WARNING: failed to access '/c': Permission denied (skipping)\n";
        assert_eq!(in_motion(stderr).len(), 2);
        assert_eq!(left_out(stderr).len(), 1);
        assert!(stderr.lines().all(|line| !is_noise(line)));
    }

    #[test]
    fn what_is_gone_takes_no_room_from_what_could_not_be_read() {
        assert!(is_noise(
            "WARNING: failed to access '/a': No such file or directory (skipping)"
        ));
        assert!(!is_noise(
            "ERROR: cannot open '/a': No such file or directory"
        ));
    }

    #[test]
    fn what_a_path_is_called_decides_nothing() {
        for line in [
            "WARNING: failed to open directory '/No such file or directory' for reading: Permission denied (skipping recursion)",
            "WARNING: failed to access '/it's No such file or directory (disabling x': Permission denied (skipping)",
            // The second half of a line whose path has a line feed.
            "NOTICE: ' for reading: Permission denied (skipping recursion)",
        ] {
            assert_eq!(left_out(line).len(), 1, "{line}");
            assert!(!is_noise(line), "{line}");
        }
        assert!(!is_noise("ERROR: '/a (disabling b' cannot be read"));
    }

    #[test]
    fn attributes_that_a_file_system_lacks_are_noise() {
        assert!(is_noise(
            "WARNING: acl_get_fd() failed for '/a': x (disabling acl attribute)"
        ));
        assert!(!is_noise("  ERROR: /a:1: group 'x' is not defined"));
    }
}
