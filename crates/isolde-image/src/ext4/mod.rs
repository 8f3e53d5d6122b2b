//! A tree as an ext4 image, written directly: no mount, no tool, no rights of
//! root, and equal bytes for equal trees.
//!
//! The layout follows the kernel's documentation (Documentation/filesystems/ext4).
//! Because the whole tree is known before the first byte is written, the image
//! is simple: all bookkeeping in front, then every folder and file in one piece
//! each, then free room.
//!
//! ```text
//! superblock | group descriptors | block bitmaps | inode bitmaps | inode tables | folders, files | room
//! ```
//!
//! There is no journal and no checksum, which would cost a guest modules and
//! time before its first instruction; what is written to an image is a launch's
//! own and goes with it.

mod allocation;
mod bytes;
mod directory;
mod extents;
mod geometry;
mod inode;
mod superblock;
mod write;
mod xattr;

use crate::ImageError;
use crate::merged::Tree;

pub(crate) use write::write;

/// Raised with every change of the layout, so that images of older programs are
/// not taken for ours.
pub(crate) const VERSION: u32 = 2;

/// Bytes of a block.
const BLOCK: u64 = 4096;

/// Free room for what an application writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) bytes: u64,
}

impl Room {
    const fn blocks(self) -> u64 {
        self.bytes.div_ceil(BLOCK)
    }

    /// One file for every 16 KiB, as mke2fs(8) does.
    const fn inodes(self) -> u64 {
        self.bytes / 16384
    }
}

/// Whether an image can hold the tree.
pub(crate) fn check(tree: &Tree) -> Result<(), ImageError> {
    allocation::Allocation::of(tree, Room { bytes: 0 }).map(|_| ())
}

#[cfg(test)]
mod tests;
