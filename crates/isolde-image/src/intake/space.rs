//! Room on the file system of the cache.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::IntakeError;
use crate::ImageError;

/// Bytes after which the room that is left is looked at again.
const STEP: u64 = 32 << 20;

/// What is left to others at least, unless the file system is small.
const RESERVE: u64 = 256 << 20;

/// Stops writing before the file system is full, which would trouble others.
pub(super) struct Room {
    path: PathBuf,
    granted: u64,
}

impl Room {
    /// For the new file at `path`.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), granted: 0 }
    }

    /// Before so many bytes are written to `file`.
    pub(super) fn take(&mut self, file: &File, bytes: usize) -> Result<(), ImageError> {
        let bytes = bytes as u64;
        if self.granted < bytes {
            let status = rustix::fs::fstatvfs(file)
                .map_err(|error| ImageError::file("look at", &self.path, error))?;
            let unit = status.f_frsize;
            let reserve = RESERVE.min(status.f_blocks.saturating_mul(unit) / 50);
            let left = status.f_bavail.saturating_mul(unit).saturating_sub(reserve);
            if left < bytes {
                return Err(IntakeError::DiskFull { path: self.path.clone() }.into());
            }
            self.granted = STEP.max(bytes).min(left);
        }
        self.granted -= bytes;
        Ok(())
    }
}

/// A failed write, which may be for want of room.
pub(super) fn written(path: &Path, error: io::Error) -> ImageError {
    if is_full(&error) {
        return IntakeError::DiskFull { path: path.to_owned() }.into();
    }
    ImageError::file("write", path, error)
}

/// The same for what other parts of this crate report.
pub(super) fn full_or(error: ImageError) -> ImageError {
    match error {
        ImageError::File { path, source, .. } if is_full(&source) => {
            IntakeError::DiskFull { path }.into()
        }
        other => other,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
