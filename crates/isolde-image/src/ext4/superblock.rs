//! The superblock and the groups' descriptors (super.rst, group_descr.rst).

use super::BLOCK;
use super::bytes::Record;
use super::geometry::{BLOCKS_PER_GROUP, DESCRIPTOR, FIRST_INODE, Geometry, INODE, used_within};

/// Where in the image the superblock lies, in bytes.
const PLACE: usize = 1024;

/// Random, made once for this purpose: equal trees give equal bytes.
const UUID: [u8; 16] = [
    0x5b, 0x0c, 0x7d, 0x2e, 0x6a, 0x35, 0x4c, 0x0e, 0x9d, 0x53, 0x1f, 0x0d, 0x8f, 0x5b, 0x7a, 0x11,
];
const LABEL: &[u8] = b"isolde";

/// ext_attr, dir_index, sparse_super2: with no backups of the superblock, which
/// would lie in the way of files in one piece.
const COMPATIBLE: u32 = 0x8 | 0x20 | 0x200;
/// filetype, extent, flex_bg.
const INCOMPATIBLE: u32 = 0x2 | 0x40 | 0x200;
/// large_file, huge_file, dir_nlink, extra_isize.
const READ_ONLY_COMPATIBLE: u32 = 0x2 | 0x8 | 0x20 | 0x40;

/// What is in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    /// Blocks, all at the start of the image.
    pub(super) blocks: u64,
    /// Inodes, all at the start of the tables, reserved ones included.
    pub(super) inodes: u64,
}

/// The first block of the image.
pub(super) fn first_block(geometry: &Geometry, used: Used) -> [u8; BLOCK as usize] {
    let mut block = Record::<{ BLOCK as usize }>::new();
    let mut field = |offset: usize, value: u64| {
        block.low(PLACE + offset, value);
    };
    field(0x00, geometry.inodes());
    field(0x04, geometry.blocks);
    field(0x0C, geometry.blocks - used.blocks);
    field(0x10, geometry.inodes() - used.inodes);
    // Blocks of 1024 << 2 bytes.
    field(0x18, 2);
    field(0x1C, 2);
    field(0x20, BLOCKS_PER_GROUP);
    field(0x24, BLOCKS_PER_GROUP);
    field(0x28, geometry.inodes_per_group);
    // Revision 1: inodes of any size.
    field(0x4C, 1);
    field(0x54, u64::from(FIRST_INODE));
    // Hashes of names by signed characters; it matters to new folders alone.
    field(0x160, 1);
    block
        // Never checked because of its age.
        .u16(PLACE + 0x36, u16::MAX)
        .u16(PLACE + 0x38, 0xEF53)
        // Clean; go on after an error.
        .u16(PLACE + 0x3A, 1)
        .u16(PLACE + 0x3C, 1)
        .u16(PLACE + 0x58, INODE as u16)
        .u32(PLACE + 0x5C, COMPATIBLE)
        .u32(PLACE + 0x60, INCOMPATIBLE)
        .u32(PLACE + 0x64, READ_ONLY_COMPATIBLE)
        .put(PLACE + 0x68, &UUID)
        .put(PLACE + 0x78, LABEL)
        .put(PLACE + 0xEC, &UUID)
        // half_md4.
        .put(PLACE + 0xFC, &[1])
        .u16(PLACE + 0x15C, 32)
        .u16(PLACE + 0x15E, 32)
        // 16 groups each: the default of mke2fs(8).
        .put(PLACE + 0x174, &[4]);
    block.0
}

/// The descriptors of all groups, in whole blocks. `folders` are the folders
/// whose inodes are in each group.
pub(super) fn descriptors(geometry: &Geometry, used: Used, folders: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (group, folders) in (0..geometry.groups).zip(folders) {
        let size = geometry.group_blocks(group);
        let blocks = used_within(used.blocks, group * BLOCKS_PER_GROUP, size);
        let per_group = geometry.inodes_per_group;
        let inodes = used_within(used.inodes, group * per_group, per_group);
        let mut record = Record::<{ DESCRIPTOR as usize }>::new();
        record
            .low(0, geometry.block_bitmaps + group)
            .low(4, geometry.inode_bitmaps + group)
            .low(8, geometry.inode_tables + group * geometry.table_blocks())
            .u16(12, (size - blocks) as u16)
            .u16(14, (per_group - inodes) as u16)
            .u16(16, *folders);
        bytes.extend_from_slice(&record.0);
    }
    bytes.resize(bytes.len().next_multiple_of(BLOCK as usize), 0);
    bytes
}

/// A bitmap of one block: the first `used` of `size` things are in use, and so
/// is everything beyond them, which does not exist.
pub(super) fn bitmap(used: u64, size: u64) -> [u8; BLOCK as usize] {
    let mut block = [0; BLOCK as usize];
    for (index, byte) in (0u64..).zip(block.iter_mut()) {
        let first = index * 8;
        *byte = if first + 8 <= used || first >= size {
            0xFF
        } else if first >= used && first + 8 <= size {
            0
        } else {
            let in_use = |bit: &u64| first + bit < used || first + bit >= size;
            (0..8).filter(in_use).map(|bit| 1 << bit).sum()
        };
    }
    block
}
