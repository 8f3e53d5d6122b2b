//! Extended attributes, in one block per file (attributes.rst).

use super::BLOCK;
use super::bytes::Record;
use crate::layer::Xattr;

const MAGIC: u32 = 0xEA02_0000;
const HEADER: usize = 32;
const ENTRY: usize = 16;

/// Prefixes that are told by a number instead.
const PREFIXES: [(&[u8], u8); 6] = [
    (b"user.", 1),
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
    (b"system.", 7),
];

/// The block with these attributes; `None` if they do not fit or one cannot be
/// kept by the file system.
pub(super) fn block(xattrs: &[Xattr]) -> Option<Vec<u8>> {
    let mut entries: Vec<(u8, &[u8], Vec<u8>)> = Vec::new();
    for xattr in xattrs {
        let (prefix, index) = PREFIXES.iter().find(|(prefix, _)| xattr.name.starts_with(prefix))?;
        let value = match index {
            2 | 3 => access_list(&xattr.value)?,
            _ => xattr.value.to_vec(),
        };
        entries.push((*index, &xattr.name[prefix.len()..], value));
    }
    // The kernel searches in this order.
    entries.sort_by(|a, b| (a.0, a.1.len(), a.1).cmp(&(b.0, b.1.len(), b.1)));
    let mut block = Record::<{ BLOCK as usize }>::new();
    let (mut at, mut end) = (HEADER, BLOCK as usize);
    let mut hash = 0u32;
    for (index, name, value) in &entries {
        let next = at + (ENTRY + name.len()).next_multiple_of(4);
        end = end.checked_sub(value.len().next_multiple_of(4))?;
        // Four bytes of zeros end the list.
        if next + 4 > end {
            return None;
        }
        let own = hash_entry(name, value);
        block.put(at, &[name.len() as u8, *index]);
        block.u16(at + 2, if value.is_empty() { 0 } else { end as u16 });
        block.u32(at + 8, value.len() as u32).u32(at + 12, own);
        block.put(at + ENTRY, name).put(end, value);
        hash = hash.rotate_left(16) ^ own;
        at = next;
    }
    block.u32(0, MAGIC).u32(4, 1).u32(8, 1).u32(12, hash);
    Some(block.0.to_vec())
}

/// `ext4_xattr_hash_entry` of fs/ext4/xattr.c.
fn hash_entry(name: &[u8], value: &[u8]) -> u32 {
    let mut hash = 0u32;
    for byte in name {
        hash = hash.rotate_left(5) ^ u32::from(*byte);
    }
    for chunk in value.chunks(4) {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = hash.rotate_left(16) ^ u32::from_le_bytes(word);
    }
    hash
}

/// An access control list as the file system keeps it, made from the form in
/// which it travels (fs/ext4/acl.c; include/uapi/linux/posix_acl_xattr.h).
fn access_list(travelling: &[u8]) -> Option<Vec<u8>> {
    const TRAVELLING_VERSION: [u8; 4] = 2u32.to_le_bytes();
    const KEPT_VERSION: [u8; 4] = 1u32.to_le_bytes();
    const USER: u16 = 2;
    const GROUP: u16 = 8;
    let entries = travelling.strip_prefix(&TRAVELLING_VERSION)?;
    if !entries.len().is_multiple_of(8) {
        return None;
    }
    let mut kept = KEPT_VERSION.to_vec();
    for entry in entries.chunks_exact(8) {
        // Only users and groups by name have an id.
        let named = matches!(u16::from_le_bytes([entry[0], entry[1]]), USER | GROUP);
        kept.extend_from_slice(if named { entry } else { &entry[..4] });
    }
    Some(kept)
}
