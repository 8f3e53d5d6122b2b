//! Folders: lists of names in blocks (directory.rst, "Linear (Classic)
//! Directories"). Without a hash tree, whose order would depend on a seed: the
//! kernel reads such folders as well, and indexes those that grow.

use super::BLOCK;

/// A name in a folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) name: &'a [u8],
    pub(super) inode: u32,
    pub(super) kind: FileType,
}

/// Kinds of files as folders tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileType {
    Regular = 1,
    Folder = 2,
    Fifo = 5,
    Symlink = 7,
}

/// Bytes that an entry takes.
const fn length(name: &[u8]) -> usize {
    (8 + name.len()).next_multiple_of(4)
}

/// Blocks that a folder with these names needs.
pub(super) fn count_blocks<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
    let (mut blocks, mut used) = (1, 0);
    for name in [&b"."[..], b".."].into_iter().chain(names) {
        if used + length(name) > BLOCK as usize {
            (blocks, used) = (blocks + 1, 0);
        }
        used += length(name);
    }
    blocks
}

/// The blocks of a folder.
pub(super) fn blocks<'a>(own: u32, parent: u32, names: impl Iterator<Item = Name<'a>>) -> Vec<u8> {
    let dots = [
        Name { name: b".", inode: own, kind: FileType::Folder },
        Name { name: b"..", inode: parent, kind: FileType::Folder },
    ];
    let mut bytes: Vec<u8> = Vec::new();
    let mut last = 0;
    for entry in dots.into_iter().chain(names) {
        let used = bytes.len() % BLOCK as usize;
        if used != 0 && used + length(entry.name) > BLOCK as usize || used == 0 && !bytes.is_empty()
        {
            close(&mut bytes, last);
        }
        last = bytes.len();
        bytes.extend_from_slice(&entry.inode.to_le_bytes());
        bytes.extend_from_slice(&(length(entry.name) as u16).to_le_bytes());
        bytes.extend_from_slice(&[entry.name.len() as u8, entry.kind as u8]);
        bytes.extend_from_slice(entry.name);
        bytes.resize(last + length(entry.name), 0);
    }
    close(&mut bytes, last);
    bytes
}

/// Lets the last entry reach to the end of its block.
fn close(bytes: &mut Vec<u8>, last: usize) {
    let end = bytes.len().next_multiple_of(BLOCK as usize);
    let length = (end - last) as u16;
    bytes[last + 4..last + 6].copy_from_slice(&length.to_le_bytes());
    bytes.resize(end, 0);
}
