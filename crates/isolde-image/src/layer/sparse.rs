//! Sparse files: GNU tar's old format and its three formats over pax records
//! ("Storing Sparse Files" in its manual).

use std::io::{Read, Seek};

use super::archive::Blocks;
use super::entry::{Segment, Segments};
use super::pax::{SparseRecords, parse_number};

/// Most pieces of one file.
const MOST_SEGMENTS: usize = 1 << 20;

/// Size of a tar archive's blocks.
const BLOCK: u64 = 512;

/// A sparse file: its apparent size and its pieces.
pub(super) type Sparse = (u64, Segments);

/// The map of GNU tar's old format: four pieces in the header, more in blocks
/// that follow it. `stored` bytes of content follow those.
pub(super) fn of_header<R: Read + Seek>(
    header: &tar::GnuHeader,
    blocks: &mut Blocks<R>,
    stored: u64,
) -> Result<Sparse, String> {
    let broken = |_| "its map of a sparse file is broken".to_owned();
    let real_bytes = header.real_size().map_err(broken)?;
    let mut map = Vec::new();
    let mut add = |pieces: &[tar::GnuSparseHeader]| {
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            map.push(piece.offset().map_err(broken)?);
            map.push(piece.length().map_err(broken)?);
            if map.len() > 2 * MOST_SEGMENTS {
                return Err("its map of a sparse file is too long".to_owned());
            }
        }
        Ok(())
    };
    add(&header.sparse)?;
    let mut goes_on = header.is_extended();
    while goes_on {
        let mut more = tar::GnuExtSparseHeader::new();
        blocks.read(more.as_mut_bytes()).map_err(|fault| fault.reason)?;
        add(more.sparse())?;
        goes_on = more.is_extended();
    }
    pieces(&map, real_bytes, blocks.position(), stored)
}

/// The map that pax records tell, or that begins the content (format 1.0).
/// `stored` bytes follow the header.
pub(super) fn of_records<R: Read + Seek>(
    records: &SparseRecords,
    blocks: &mut Blocks<R>,
    stored: u64,
) -> Result<Sparse, String> {
    let real_bytes = records.real_bytes.ok_or("its size as a sparse file is missing")?;
    if records.major != Some(1) {
        return pieces(&records.map, real_bytes, blocks.position(), stored);
    }
    let begin = blocks.position();
    let mut numbers = Numbers { blocks, left: stored, buffer: Vec::new() };
    let count = usize::try_from(numbers.next()?).unwrap_or(usize::MAX);
    if count > MOST_SEGMENTS {
        return Err("its map of a sparse file is too long".into());
    }
    let mut map = Vec::new();
    for _ in 0..2 * count {
        map.push(numbers.next()?);
    }
    let data = blocks.position();
    pieces(&map, real_bytes, data, stored - (data - begin))
}

/// Numbers in lines, in whole blocks at the start of an entry's content.
struct Numbers<'a, R> {
    blocks: &'a mut Blocks<R>,
    left: u64,
    buffer: Vec<u8>,
}

impl<R: Read + Seek> Numbers<'_, R> {
    fn next(&mut self) -> Result<u64, String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let number = parse_number(&self.buffer[..end]);
                self.buffer.drain(..=end);
                return number.ok_or_else(|| "its map of a sparse file is broken".to_owned());
            }
            // A number and its line end fit into a block, so this cannot grow.
            if self.left < BLOCK || self.buffer.len() as u64 > BLOCK {
                return Err("its map of a sparse file is cut short".into());
            }
            let mut block = [0; BLOCK as usize];
            self.blocks.read(&mut block).map_err(|fault| fault.reason)?;
            self.left -= BLOCK;
            self.buffer.extend_from_slice(&block);
        }
    }
}

/// Pieces from offsets and lengths in turn, whose bytes begin at `data` in the
/// archive: in ascending order, within the file, and exactly the stored bytes.
fn pieces(map: &[u64], real_bytes: u64, data: u64, stored: u64) -> Result<Sparse, String> {
    let mut segments = Vec::new();
    let (mut end, mut used) = (0u64, 0u64);
    if !map.len().is_multiple_of(2) || map.len() > 2 * MOST_SEGMENTS {
        return Err("its map of a sparse file is broken".into());
    }
    for pair in map.chunks_exact(2) {
        let (at, bytes) = (pair[0], pair[1]);
        let next = at.checked_add(bytes).filter(|next| at >= end && *next <= real_bytes);
        end = next.ok_or("its map of a sparse file is out of order or out of the file")?;
        if bytes > 0 {
            segments.push(Segment { at, bytes, offset: data + used });
        }
        // Cannot overflow: the pieces do not overlap.
        used += bytes;
    }
    if used != stored {
        return Err(format!("its map tells {used} bytes of content, the header {stored}"));
    }
    Ok((real_bytes, Segments::Sparse(segments.into())))
}
