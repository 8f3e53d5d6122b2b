//! How large an image is and where its bookkeeping lies.

use super::{BLOCK, Room};

/// Blocks of a group: as many as a bitmap of one block has bits.
pub(super) const BLOCKS_PER_GROUP: u64 = 8 * BLOCK;
/// Bytes of an inode and of a group's descriptor.
pub(super) const INODE: u64 = 256;
pub(super) const DESCRIPTOR: u64 = 32;
/// Inodes that fit into a block of their table.
const INODES_PER_BLOCK: u64 = BLOCK / INODE;
/// Numbers below it are reserved; the root has number 2.
pub(super) const FIRST_INODE: u32 = 11;
/// Block numbers have 32 bits here.
const MOST_BLOCKS: u64 = u32::MAX as u64;

/// Counts and places of everything in an image, in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) blocks: u64,
    pub(super) groups: u64,
    pub(super) inodes_per_group: u64,
    pub(super) block_bitmaps: u64,
    pub(super) inode_bitmaps: u64,
    pub(super) inode_tables: u64,
    /// The first block of content.
    pub(super) content: u64,
}

impl Geometry {
    /// Of an image with so many inodes in use (reserved ones included) and
    /// blocks of content; `None` if that is too much for one.
    pub(super) fn of(used_inodes: u64, content_blocks: u64, room: Room) -> Option<Self> {
        let inodes = used_inodes + room.inodes();
        let mut groups = 1;
        // More groups need more bookkeeping, which may need one more group.
        loop {
            let this = Self::with_groups(groups, inodes)?;
            let blocks = this.content + content_blocks + room.blocks();
            let needed = blocks.div_ceil(BLOCKS_PER_GROUP);
            if blocks > MOST_BLOCKS {
                return None;
            }
            if needed <= this.groups {
                // Groups that only the inodes need exist as well.
                let least = (this.groups - 1) * BLOCKS_PER_GROUP + 1;
                return Some(Self { blocks: blocks.max(least), ..this });
            }
            groups = needed.max(this.groups);
        }
    }

    fn with_groups(groups: u64, inodes: u64) -> Option<Self> {
        let per_group = inodes.div_ceil(groups).next_multiple_of(INODES_PER_BLOCK);
        // An inode bitmap is one block.
        if per_group > BLOCKS_PER_GROUP {
            return Self::with_groups(inodes.div_ceil(BLOCKS_PER_GROUP), inodes);
        }
        let descriptors = (groups * DESCRIPTOR).div_ceil(BLOCK);
        let block_bitmaps = 1 + descriptors;
        let inode_bitmaps = block_bitmaps + groups;
        let inode_tables = inode_bitmaps + groups;
        let content = inode_tables + groups * per_group / INODES_PER_BLOCK;
        (content <= MOST_BLOCKS).then_some(Self {
            blocks: 0,
            groups,
            inodes_per_group: per_group,
            block_bitmaps,
            inode_bitmaps,
            inode_tables,
            content,
        })
    }

    pub(super) const fn inodes(&self) -> u64 {
        self.groups * self.inodes_per_group
    }

    /// Blocks of one group's inode table.
    pub(super) const fn table_blocks(&self) -> u64 {
        self.inodes_per_group / INODES_PER_BLOCK
    }

    /// Blocks of group number `group`; the last one may be smaller.
    pub(super) const fn group_blocks(&self, group: u64) -> u64 {
        let left = self.blocks - group * BLOCKS_PER_GROUP;
        if left < BLOCKS_PER_GROUP { left } else { BLOCKS_PER_GROUP }
    }
}

/// How many of the first `used` things fall into a group that begins with
/// number `start` and has `size` of them.
pub(super) const fn used_within(used: u64, start: u64, size: u64) -> u64 {
    let inside = used.saturating_sub(start);
    if inside < size { inside } else { size }
}
