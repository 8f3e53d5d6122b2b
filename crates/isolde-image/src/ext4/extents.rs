//! Where a file's blocks are: the extent tree (ifork.rst, "Extent Tree").

use super::BLOCK;
use super::bytes::Record;
use crate::layer::Segments;
use crate::merged::Content;

/// Longest extent of written blocks.
const LONGEST: u64 = 32768;
/// Extents within an inode, and within a block of their own.
const IN_INODE: usize = 4;
const IN_BLOCK: usize = ((BLOCK - 12) / 12) as usize;
const MAGIC: u16 = 0xF30A;

/// Consecutive blocks of a file that hold something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Number of the first block within the file.
    pub(super) first: u64,
    pub(super) blocks: u64,
}

/// The runs of a file of `bytes` bytes; `None` if it is scattered over more
/// places than an inode can tell, or too large.
pub(super) fn runs(bytes: u64, content: &Content) -> Option<Vec<Run>> {
    let whole = Run { first: 0, blocks: bytes.div_ceil(BLOCK) };
    let runs = match content {
        _ if bytes == 0 => Vec::new(),
        Content::Layer { segments: Segments::Sparse(segments), .. } => {
            let mut runs: Vec<Run> = Vec::new();
            for segment in segments {
                let first = segment.at / BLOCK;
                let end = (segment.at + segment.bytes).div_ceil(BLOCK);
                match runs.last_mut() {
                    Some(last) if first <= last.first + last.blocks => {
                        last.blocks = end.max(last.first + last.blocks) - last.first;
                    }
                    _ => runs.push(Run { first, blocks: end - first }),
                }
            }
            // Scattered too widely to be told: without holes it is one run.
            if extents(&runs) > IN_INODE * IN_BLOCK { vec![whole] } else { runs }
        }
        _ => vec![whole],
    };
    (extents(&runs) <= IN_INODE * IN_BLOCK).then_some(runs)
}

fn extents(runs: &[Run]) -> usize {
    runs.iter().map(|run| run.blocks.div_ceil(LONGEST)).sum::<u64>() as usize
}

/// Blocks besides the content that an extent tree needs.
pub(super) fn leaf_blocks(runs: &[Run]) -> u64 {
    match extents(runs) {
        count if count <= IN_INODE => 0,
        count => count.div_ceil(IN_BLOCK) as u64,
    }
}

/// The root of an extent tree, for the inode, and its leaves, each a block. The
/// leaves lie at `leaves`, the content in one piece at `content`.
pub(super) fn tree(runs: &[Run], leaves: u64, content: u64) -> ([u8; 60], Vec<u8>) {
    let mut records = Vec::new();
    let mut physical = content;
    for run in runs {
        let mut done = 0;
        while done < run.blocks {
            let length = (run.blocks - done).min(LONGEST);
            records.push((run.first + done, length, physical));
            done += length;
            physical += length;
        }
    }
    let mut root = Record::<60>::new();
    if records.len() <= IN_INODE {
        header(&mut root, records.len(), IN_INODE, 0);
        for (index, record) in records.iter().enumerate() {
            root.put(12 + 12 * index, &extent(*record));
        }
        return (root.0, Vec::new());
    }
    let chunks = records.chunks(IN_BLOCK);
    header(&mut root, chunks.len(), IN_INODE, 1);
    let mut blocks = Vec::new();
    for (index, chunk) in chunks.enumerate() {
        let mut pointer = Record::<12>::new();
        pointer.low(0, chunk[0].0).low(4, leaves + index as u64);
        root.put(12 + 12 * index, &pointer.0);
        let mut leaf = Record::<{ BLOCK as usize }>::new();
        header(&mut leaf, chunk.len(), IN_BLOCK, 0);
        for (index, record) in chunk.iter().enumerate() {
            leaf.put(12 + 12 * index, &extent(*record));
        }
        blocks.extend_from_slice(&leaf.0);
    }
    (root.0, blocks)
}

fn header<const N: usize>(record: &mut Record<N>, entries: usize, most: usize, depth: u16) {
    record.u16(0, MAGIC).u16(2, entries as u16).u16(4, most as u16).u16(6, depth);
}

fn extent((first, length, physical): (u64, u64, u64)) -> [u8; 12] {
    let mut record = Record::<12>::new();
    record.low(0, first).u16(4, length as u16).low(8, physical);
    record.0
}
