//! Writing files so that a power cut leaves the old state or the new one, and
//! reading files whose size is a stranger's choice.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use crate::BundleError;

/// Writes a new file and waits until it is on the storage.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let error = |source| BundleError::file("write", path, source);
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(error)?;
    file.write_all(bytes).map_err(error)?;
    file.sync_all().map_err(error)
}

/// Replaces a file in one step: a reader sees the old content or the new.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
    let temporary = folder.join(format!(".{name}.tmp-{}", std::process::id()));
    let path = folder.join(name);
    let result = write_new(&temporary, bytes).and_then(|()| {
        fs::rename(&temporary, &path).map_err(|source| BundleError::file("replace", &path, source))
    });
    if result.is_err() {
        // Already failing for the reason that is reported.
        let _ = fs::remove_file(&temporary);
    }
    result.and_then(|()| sync_folder(folder))
}

/// Waits until a folder's list of names is on the storage.
pub(crate) fn sync_folder(path: &Path) -> Result<(), BundleError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| BundleError::file("write", path, source))
}

/// Reads a regular file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, BundleError> {
    let error = |source| BundleError::file("read", path, source);
    // Asked before opening: opening a named pipe would wait for its writer.
    if !fs::metadata(path).map_err(error)?.is_file() {
        return Err(BundleError::damaged(path, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(error)?.take(limit + 1).read_to_end(&mut bytes).map_err(error)?;
    if bytes.len() as u64 > limit {
        return Err(BundleError::damaged(path, format_args!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}
