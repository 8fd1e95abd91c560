//! A FIFO that is read from, and whether it is still the one at its path.

use super::Shared;
use crate::sys::fifo::{self, Fifo};
use crate::sys::inotify::Watch;
use crate::sys::{Errno, Result};

/// A FIFO open for reading.
pub struct Inlet {
    pub fifo: Fifo,
    /// Tells when its path means another; `None` where no inotify is to be had.
    pub watch: Option<Watch>,
    /// Something has happened to it that has not been looked into.
    pub is_suspect: bool,
}

impl Inlet {
    /// Opens the FIFO at the path, made where there is none.
    ///
    /// Errors: as [`fifo::make`] and [`Fifo::open_reader`].
    pub fn open(shared: &Shared) -> Result<Inlet> {
        // Only one who keeps removing it could do so between two of these steps every time.
        const ATTEMPTS: usize = 4;
        let (path, owner) = (&shared.path, shared.config.owner);
        for _ in 0..ATTEMPTS {
            fifo::make(path, owner)?;
            let fifo = match Fifo::open_reader(path, owner) {
                Err(Errno(libc::ENOENT)) => continue,
                result => result?,
            };
            let inlet = Inlet { fifo, watch: Watch::new(path).ok(), is_suspect: false };
            // Otherwise another is watched than the one that is open.
            if !inlet.is_replaced(shared)? {
                return Ok(inlet);
            }
        }
        Err(Errno(libc::ENOENT))
    }

    /// Whether the path names another by now, or nothing.
    ///
    /// Errors: as [`fifo::identify`], but for `ENOENT`.
    pub fn is_replaced(&self, shared: &Shared) -> Result<bool> {
        match fifo::identify(&shared.path) {
            Ok(identity) => Ok(identity != self.fifo.identity()),
            Err(Errno(libc::ENOENT)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
