//! Layers: uncompressed tar archives as others made them, read with suspicion.
//!
//! A layer is never unpacked by itself. Its entries tell for every file where its
//! bytes lie in the archive; the tree of an image is put together from them in
//! memory, and only the finished tree is written, in whatever form.

mod archive;
mod entry;
mod path;
mod pax;
mod sparse;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

pub(crate) use archive::{checksum, read_entries};
pub(crate) use entry::{Attributes, Entry, EntryKind, Segment, Segments, Xattr};
pub(crate) use path::{InnerPath, readable};

use crate::ImageError;

/// What is wrong with an entry of a layer, or with the archive around it.
#[derive(Debug, thiserror::Error)]
#[error("{}{reason}", entry.as_ref().map_or_else(String::new, |entry| format!("`{entry}`: ")))]
pub(crate) struct LayerFault {
    /// The entry's name as it stands in the archive; `None` for the archive itself.
    pub(crate) entry: Option<String>,
    /// What is wrong, after the entry's name.
    pub(crate) reason: String,
}

impl LayerFault {
    pub(crate) fn archive(reason: impl Into<String>) -> Self {
        Self { entry: None, reason: reason.into() }
    }

    pub(crate) fn entry(name: &[u8], reason: impl Into<String>) -> Self {
        Self { entry: Some(readable(name)), reason: reason.into() }
    }

    /// The same for people, with the name of the layer it is about.
    pub(crate) fn of(self, layer: &str) -> ImageError {
        let entry = self.entry.map_or_else(String::new, |entry| format!(", entry `{entry}`"));
        ImageError::Layer { place: format!("{layer}{entry}"), reason: self.reason }
    }
}

/// Opens the layer at `path`: its bytes, and how many they are.
pub(crate) fn open(path: &Path) -> Result<(BufReader<File>, u64), ImageError> {
    let read = |error| ImageError::file("read", path, error);
    let file = File::open(path).map_err(read)?;
    let bytes = file.metadata().map_err(read)?.len();
    Ok((BufReader::with_capacity(64 << 10, file), bytes))
}

/// Whether the archive at `path`, called `layer` in errors, is a layer that can
/// be used.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn check(path: &Path, layer: &str) -> Result<(), ImageError> {
    let (archive, bytes) = open(path)?;
    read_entries(archive, bytes, &mut |_| Ok(())).map_err(|fault| fault.of(layer))
}

#[cfg(test)]
mod tests;
