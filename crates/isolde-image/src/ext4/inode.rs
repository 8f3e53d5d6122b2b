//! Inodes (inodes.rst).

use super::bytes::Record;
use super::geometry::INODE;
use crate::layer::Attributes;

/// The inode's blocks are told by an extent tree.
const EXTENTS: u32 = 0x0008_0000;
/// Bytes of the fields after the first 128 that are in use.
const EXTRA: u16 = 32;

/// Kinds of files, as in `st_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Fifo = 0x1000,
    Folder = 0x4000,
    Regular = 0x8000,
    Symlink = 0xA000,
}

/// What an inode tells besides its attributes.
pub(super) struct Body {
    pub(super) format: Format,
    pub(super) links: u16,
    /// Size in bytes.
    pub(super) bytes: u64,
    /// All blocks of 4 KiB, those of extents and attributes included.
    pub(super) blocks: u64,
    /// The block with extended attributes, or 0.
    pub(super) xattr_block: u64,
    pub(super) data: Data,
}

/// What the inode's 60 bytes of block numbers hold.
pub(super) enum Data {
    Nothing,
    /// The root of an extent tree.
    Extents([u8; 60]),
    /// A short link's target.
    Target(Vec<u8>),
}

/// The inode as it lies in its table.
pub(super) fn inode(attributes: &Attributes, body: &Body) -> [u8; INODE as usize] {
    let mut inode = Record::<{ INODE as usize }>::new();
    let (seconds, extra) = time(attributes.mtime_s, attributes.mtime_ns);
    let sectors = body.blocks * 8;
    inode
        .u16(0, body.format as u16 | attributes.mode & 0o7777)
        .u16(2, attributes.uid as u16)
        .low(4, body.bytes)
        .u32(8, seconds)
        .u32(12, seconds)
        .u32(16, seconds)
        .u16(24, attributes.gid as u16)
        .u16(26, body.links)
        .low(28, sectors)
        .low(104, body.xattr_block)
        .low(108, body.bytes >> 32)
        .u16(116, (sectors >> 32) as u16)
        .u16(120, (attributes.uid >> 16) as u16)
        .u16(122, (attributes.gid >> 16) as u16)
        .u16(128, EXTRA)
        .u32(132, extra)
        .u32(136, extra)
        .u32(140, extra)
        .u32(144, seconds)
        .u32(148, extra);
    match &body.data {
        Data::Nothing => {}
        Data::Extents(root) => drop(inode.u32(32, EXTENTS).put(40, root)),
        Data::Target(target) => drop(inode.put(40, target)),
    }
    inode.0
}

/// The lower 32 bits of the seconds, and the nanoseconds with two more bits of
/// the seconds. Times that the file system cannot tell become its first or last.
fn time(seconds: i64, nanoseconds: u32) -> (u32, u32) {
    const FIRST: i64 = i32::MIN as i64;
    const LAST: i64 = FIRST + (1 << 34) - 1;
    let seconds = seconds.clamp(FIRST, LAST);
    let low = seconds as i32;
    let epoch = ((seconds - i64::from(low)) >> 32) as u32 & 3;
    (low as u32, nanoseconds << 2 | epoch)
}
