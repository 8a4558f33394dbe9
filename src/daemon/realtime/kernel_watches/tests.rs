use super::*;

/// The errors of `fanotify_init(2)` and `inotify_init(2)`, and those of system call filters.
#[test]
fn an_interface_that_cannot_be_used_has_a_reason() {
    for (errors, reason) in [
        // A capability is missing, or a filter refuses the call.
        (
            vec![Errno::PERM, Errno::ACCESS],
            RealtimeReason::NotPermitted,
        ),
        // The kernel does not know the call, or the flags for names of Linux 5.9.
        (
            vec![Errno::NOSYS, Errno::INVAL],
            RealtimeReason::KernelTooOld,
        ),
        (
            vec![Errno::MFILE, Errno::NFILE, Errno::NOMEM],
            RealtimeReason::WatchLimit,
        ),
    ] {
        for error in errors {
            let unavailable = Unavailable::new("fanotify", error.into());
            assert_eq!(unavailable.reason, reason, "{error}");
            let text = crate::error_chain(&unavailable);
            assert!(text.starts_with("fanotify cannot be used: "), "{text}");
        }
    }
}

#[test]
fn limits_of_the_kernel_differ_from_refusals_of_a_file_system() {
    for (error, is_limit) in [
        (Errno::NOSPC, true),
        (Errno::MFILE, true),
        (Errno::NOMEM, true),
        (Errno::OPNOTSUPP, false),
        (Errno::XDEV, false),
        (Errno::NODEV, false),
    ] {
        let refused = Refused::from(io::Error::from(error));
        assert_eq!(matches!(refused, Refused::KernelLimit), is_limit, "{error}");
    }
}
