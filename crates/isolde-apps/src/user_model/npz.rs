//! The archive that `numpy.savez` and `numpy.savez_compressed` write: a ZIP of
//! arrays, stored or deflated.
//!
//! Record layouts are those of
//! <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>. What NumPy does
//! not write (encryption, several disks, more than 4 GiB) is refused. No name of a
//! member is ever a path: names are compared and shown.

use std::borrow::Cow;
use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// An archive that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NpzError {
    /// It is not an archive.
    #[error("it is no archive of arrays: {0}: write it with numpy.savez")]
    Format(&'static str),
    /// A member that cannot be read.
    #[error("its member `{member}` {what}: write it again with numpy.savez")]
    Member {
        /// Its name.
        member: String,
        /// Why not.
        what: &'static str,
    },
    /// More than is kept in memory.
    #[error("it has more than {0}: give less at once")]
    TooMuch(&'static str),
}

/// Most members: a graph has no more inputs.
const MOST_MEMBERS: usize = 1024;
/// Most bytes of all members together, unpacked: they are in memory at once.
const MOST_BYTES: u64 = 256 << 20;
/// No more than so many bytes are packed into one (RFC 1951: 258 bytes in 2 bits).
const MOST_DEFLATED: usize = 1032;

const END_OF_DIRECTORY: &[u8] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LENGTH: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LENGTH: usize = 30;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A member, not unpacked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    /// Its name without `.npy`.
    pub(super) array: &'a str,
    is_deflated: bool,
    checksum: u32,
    packed: &'a [u8],
    bytes: usize,
}

/// Whether `content` begins as an archive does.
pub(super) fn is_archive(content: &[u8]) -> bool {
    content.starts_with(LOCAL) || content.starts_with(END_OF_DIRECTORY)
}

/// The members of the archive in `content`.
pub(super) fn members(content: &[u8]) -> Result<Vec<Member<'_>>, NpzError> {
    let end = end_of_directory(content).ok_or(NpzError::Format("its directory is missing"))?;
    let count = u16_at(end, 10).unwrap_or_default() as usize;
    if count > MOST_MEMBERS {
        return Err(NpzError::TooMuch("1024 arrays"));
    }
    let damaged = || NpzError::Format("its directory is damaged");
    let start = u32_at(end, 16).ok_or_else(damaged)? as usize;
    let mut rest = content.get(start..).ok_or_else(damaged)?;
    let mut members = Vec::new();
    let mut total = 0;
    for _ in 0..count {
        let (entry, after) = entry(rest).ok_or_else(damaged)?;
        let member = entry.member(content)?;
        total += member.bytes as u64;
        if total > MOST_BYTES {
            return Err(NpzError::TooMuch("256 MiB of arrays, unpacked"));
        }
        members.push(member);
        rest = after;
    }
    Ok(members)
}

impl<'a> Member<'a> {
    /// Its content, unpacked and checked.
    pub(super) fn content(&self) -> Result<Cow<'a, [u8]>, NpzError> {
        let damaged = |what| NpzError::Member { member: shown(self.array), what };
        let content = match self.is_deflated {
            false => Cow::Borrowed(self.packed),
            true => {
                let room = self.bytes.min(self.packed.len().saturating_mul(MOST_DEFLATED));
                let mut content = Vec::with_capacity(room);
                let mut unpacked = DeflateDecoder::new(self.packed).take(self.bytes as u64 + 1);
                let read = unpacked.read_to_end(&mut content);
                read.map_err(|_| damaged("cannot be unpacked"))?;
                Cow::Owned(content)
            }
        };
        let mut sum = Crc::new();
        sum.update(&content);
        match content.len() == self.bytes && sum.sum() == self.checksum {
            true => Ok(content),
            false => Err(damaged("is not what its checksum says")),
        }
    }
}

/// An entry of the directory.
struct Entry<'a> {
    fixed: &'a [u8],
    name: &'a [u8],
}

/// The entry at the front of `directory`, and what follows it.
fn entry(directory: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (fixed, rest) = directory.split_at_checked(ENTRY_LENGTH)?;
    let length = |place| u16_at(fixed, place).map(usize::from);
    let (name, rest) = rest.split_at_checked(length(28)?)?;
    let rest = rest.get(length(30)? + length(32)?..)?;
    fixed.starts_with(ENTRY).then_some((Entry { fixed, name }, rest))
}

impl<'a> Entry<'a> {
    fn member(&self, content: &'a [u8]) -> Result<Member<'a>, NpzError> {
        let name = std::str::from_utf8(self.name);
        let name = name.map_err(|_| NpzError::Format("a member's name is no UTF-8"))?;
        let wrong = |what| NpzError::Member { member: shown(name), what };
        let array = name.strip_suffix(".npy").ok_or_else(|| wrong("is not called *.npy"))?;
        let damaged = || wrong("lies outside of the archive");
        let number = |place| u32_at(self.fixed, place).ok_or_else(damaged);
        let is_encrypted = u16_at(self.fixed, 8).is_none_or(|flags| flags & 1 == 1);
        let is_deflated = match u16_at(self.fixed, 10) {
            _ if is_encrypted => return Err(wrong("is encrypted")),
            Some(STORED) => false,
            Some(DEFLATED) => true,
            _ => return Err(wrong("is packed by another method than NumPy's")),
        };
        let (checksum, length) = (number(16)?, number(20)? as usize);
        let (bytes, place) = (number(24)? as usize, number(42)? as usize);
        let packed = packed(content, place, length).ok_or_else(damaged)?;
        if !is_deflated && length != bytes {
            return Err(wrong("has two lengths"));
        }
        Ok(Member { array, is_deflated, checksum, packed, bytes })
    }
}

/// The `length` bytes that follow the local header at `place`.
fn packed(content: &[u8], place: usize, length: usize) -> Option<&[u8]> {
    let local = content.get(place..)?.strip_prefix(LOCAL)?;
    let skipped = |at: usize| u16_at(local, at - LOCAL.len()).map(usize::from);
    let start = LOCAL_LENGTH - LOCAL.len() + skipped(26)? + skipped(28)?;
    local.get(start..)?.get(..length)
}

/// The record at the end, which a comment may follow.
fn end_of_directory(content: &[u8]) -> Option<&[u8]> {
    let last = content.len().checked_sub(END_LENGTH)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find_map(|start| {
        let end = content[start..].strip_prefix(END_OF_DIRECTORY).map(|_| &content[start..])?;
        let comment = usize::from(u16_at(end, 20)?);
        (END_LENGTH + comment == end.len()).then_some(end)
    })
}

/// A name that is safe to show.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}
