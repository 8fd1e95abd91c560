//! Standard error, without std's lock: a forked child may have inherited that one locked.

/// Writes `text`, as much of it as goes; nobody is left to tell when it does not.
pub fn write(text: &str) {
    // SAFETY: `text` is valid for reading its bytes.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
