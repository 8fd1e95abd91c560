//! inotify(7): being told that a name in the file system means something else now.

use super::{check, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Readable once what is at a path was removed, renamed or changed in its attributes.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    /// Watches what is at `path` now. A symbolic link is not followed.
    ///
    /// Errors: `ENOENT`, `EACCES`, `EMFILE` or `ENOSPC` for too many.
    pub fn new(path: &CStr) -> Result<Watch> {
        // SAFETY: the call takes no pointer.
        let fd = check(unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) })?;
        // SAFETY: the kernel has just made `fd`, and nobody else knows it.
        let watch = Watch(unsafe { OwnedFd::from_raw_fd(fd) });
        // A file that somebody has open is not deleted with its last name: its attributes, the
        // number of names, change.
        let gone = libc::IN_ATTRIB | libc::IN_DELETE_SELF | libc::IN_MOVE_SELF;
        let wanted = gone | libc::IN_DONT_FOLLOW;
        // SAFETY: `path` is NUL-terminated.
        check(unsafe { libc::inotify_add_watch(fd, path.as_ptr(), wanted) })?;
        Ok(watch)
    }

    /// Whether something has happened since the last call.
    pub fn take(&self) -> bool {
        let mut events = [0u8; 4096];
        let mut has_happened = false;
        // SAFETY: `events` is valid for writing. The descriptor does not block; that there was
        // nothing is as good.
        while unsafe { libc::read(self.0.as_raw_fd(), events.as_mut_ptr().cast(), events.len()) }
            > 0
        {
            has_happened = true;
        }
        has_happened
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
