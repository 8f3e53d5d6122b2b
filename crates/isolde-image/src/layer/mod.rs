//! Layers: uncompressed tar archives as others made them, read with suspicion.
//!
//! A layer is never unpacked by itself. Its entries are read into an
//! [`Index`], which tells for every file where its bytes lie in the archive;
//! the tree of an image is put together from indices in memory, and only the
//! finished tree is written, in whatever form.

mod archive;
mod entry;
mod path;
mod pax;
mod sparse;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

pub(crate) use archive::{checksum, read_entries};
pub(crate) use entry::{Attributes, Entry, EntryKind, Segment, Segments, Xattr};
pub(crate) use path::{InnerPath, readable};

use crate::ImageError;

/// Most entries of one layer. The largest images have some hundred thousand files.
const MOST_ENTRIES: usize = 4_000_000;

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

/// Every entry of a layer, in the archive's order.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) entries: Vec<Entry>,
}

impl Index {
    /// Reads the layer at `path`, which is called `layer` in errors.
    pub(crate) fn read(path: &Path, layer: &str) -> Result<Self, ImageError> {
        let file = File::open(path).map_err(|error| ImageError::file("read", path, error))?;
        let bytes = file.metadata().map_err(|error| ImageError::file("read", path, error))?.len();
        Self::parse(BufReader::with_capacity(64 << 10, file), bytes)
            .map_err(|fault| fault.of(layer))
    }

    /// Reads an archive of `bytes` bytes.
    pub(crate) fn parse(archive: impl Read + Seek, bytes: u64) -> Result<Self, LayerFault> {
        let mut entries = Vec::new();
        read_entries(archive, bytes, &mut |entry| {
            if entries.len() == MOST_ENTRIES {
                return Err(LayerFault::archive("it has too many entries"));
            }
            entries.push(entry);
            Ok(())
        })?;
        Ok(Self { entries })
    }
}

/// Whether the archive at `path` is a layer that can be used.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn check(path: &Path, layer: &str) -> Result<(), ImageError> {
    Index::read(path, layer).map(|_| ())
}

#[cfg(test)]
mod tests;
