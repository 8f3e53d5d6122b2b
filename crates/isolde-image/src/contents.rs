//! Reading the bytes of a tree's files, wherever they come from.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::ImageError;
use crate::layer::{Segment, Segments};
use crate::merged::{Content, HostFile, Layers};
use crate::tree::copy_checked;

/// Read at once.
const CHUNK: usize = 256 << 10;

/// Reads files of a tree. Keeps the archive it read last open.
pub(crate) struct Contents<'a> {
    layers: &'a Layers,
    open: Option<(u32, File)>,
    buffer: Vec<u8>,
}

impl<'a> Contents<'a> {
    pub(crate) fn new(layers: &'a Layers) -> Self {
        Self { layers, open: None, buffer: vec![0; CHUNK] }
    }

    /// Writes the bytes `range` of a file of `bytes` bytes to `to`, which is
    /// called `name` in errors. Holes and what lies beyond the end are zero.
    pub(crate) fn copy(
        &mut self,
        bytes: u64,
        content: &Content,
        range: Range<u64>,
        to: &mut impl Write,
        name: &Path,
    ) -> Result<(), ImageError> {
        match content {
            Content::Host(file) => {
                let HostFile { source, hash } = &**file;
                // Whole files only: their hash is that of all their bytes.
                copy_checked(source, hash, to)?;
                zeros(range.end.saturating_sub(bytes), to)
                    .map_err(|error| ImageError::file("write", name, error))
            }
            Content::Layer { layer, segments } => {
                let whole;
                let pieces: &[Segment] = match segments {
                    Segments::Sparse(pieces) => pieces,
                    Segments::Whole(offset) => {
                        whole = [Segment { at: 0, bytes, offset: *offset }];
                        &whole
                    }
                };
                self.copy_pieces(*layer, pieces, range, to, name)
            }
        }
    }

    fn copy_pieces(
        &mut self,
        layer: u32,
        pieces: &[Segment],
        range: Range<u64>,
        to: &mut impl Write,
        name: &Path,
    ) -> Result<(), ImageError> {
        let failed = |error| ImageError::file("write", name, error);
        let mut position = range.start;
        let first = pieces.partition_point(|piece| piece.at + piece.bytes <= range.start);
        for piece in pieces[first..].iter().take_while(|piece| piece.at < range.end) {
            let start = piece.at.max(position);
            let end = (piece.at + piece.bytes).min(range.end);
            zeros(start - position, to).map_err(failed)?;
            self.copy_bytes(layer, piece.offset + (start - piece.at), end - start, to, name)?;
            position = end;
        }
        zeros(range.end - position, to).map_err(failed)
    }

    fn copy_bytes(
        &mut self,
        layer: u32,
        mut offset: u64,
        mut left: u64,
        to: &mut impl Write,
        name: &Path,
    ) -> Result<(), ImageError> {
        let path = self.layers.path(layer);
        let read = |error| ImageError::file("read", path, error);
        if self.open.as_ref().is_none_or(|(open, _)| *open != layer) {
            self.open = Some((layer, File::open(path).map_err(read)?));
        }
        let Some((_, file)) = &self.open else { return Ok(()) };
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK);
            let chunk = &mut self.buffer[..length];
            file.read_exact_at(chunk, offset).map_err(read)?;
            to.write_all(chunk).map_err(|error| ImageError::file("write", name, error))?;
            offset += length as u64;
            left -= length as u64;
        }
        Ok(())
    }
}

fn zeros(count: u64, to: &mut impl Write) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), count), to).map(|_| ())
}
