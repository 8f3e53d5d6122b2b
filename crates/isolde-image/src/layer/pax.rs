//! Extended headers: the records that POSIX's pax format, GNU tar and star put
//! before an entry (pax(1), "pax Extended Header").

use super::LayerFault;
use super::entry::Xattr;

/// What extended headers say of the entry that follows them.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<(i64, u32)>,
    pub(super) xattrs: Vec<Xattr>,
    pub(super) sparse: SparseRecords,
}

/// GNU tar's records of sparse files ("Storing Sparse Files" in its manual).
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    pub(super) major: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_bytes: Option<u64>,
    /// Offsets and lengths in turn, of formats 0.0 and 0.1.
    pub(super) map: Vec<u64>,
    pub(super) is_present: bool,
}

/// star's prefix, which every maker of images uses.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// An attribute's value is at most 64 KiB (`XATTR_SIZE_MAX`), its name 255 bytes.
const LARGEST_XATTR: usize = 64 << 10;

impl Extensions {
    /// Adds the records of one extended header.
    pub(super) fn add(&mut self, records: &[u8]) -> Result<(), LayerFault> {
        for record in tar::PaxExtensions::new(records) {
            let record =
                record.map_err(|_| LayerFault::archive("an extended header cannot be read"))?;
            self.set(record.key_bytes(), record.value_bytes())?;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), LayerFault> {
        let refuse =
            || LayerFault::archive(format!("the record {} is broken", super::readable(key)));
        let number = || parse_number(value).ok_or_else(refuse);
        let id = || number().and_then(|id| u32::try_from(id).map_err(|_| refuse()));
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number()?),
            b"uid" => self.uid = Some(id()?),
            b"gid" => self.gid = Some(id()?),
            b"mtime" => self.mtime = Some(parse_time(value).ok_or_else(refuse)?),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.set_xattr(name, value)?;
                } else if let Some(rest) = key.strip_prefix(b"GNU.sparse.") {
                    self.set_sparse(rest, value).ok_or_else(refuse)?;
                }
            }
        }
        Ok(())
    }

    fn set_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), LayerFault> {
        // overlayfs keeps its own book-keeping there; it is nothing of the image.
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            return Ok(());
        }
        if name.is_empty() || name.len() > 255 || value.len() > LARGEST_XATTR {
            return Err(LayerFault::archive("an extended attribute is too large"));
        }
        self.xattrs.retain(|other| *other.name != *name);
        self.xattrs.push(Xattr { name: name.into(), value: value.into() });
        Ok(())
    }

    fn set_sparse(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let sparse = &mut self.sparse;
        sparse.is_present = true;
        match key {
            b"major" => sparse.major = Some(parse_number(value)?),
            b"name" => sparse.name = Some(value.to_vec()),
            b"realsize" | b"size" => sparse.real_bytes = Some(parse_number(value)?),
            b"offset" | b"numbytes" => sparse.map.push(parse_number(value)?),
            b"map" => {
                for number in value.split(|byte| *byte == b',').filter(|part| !part.is_empty()) {
                    sparse.map.push(parse_number(number)?);
                }
            }
            // `minor` and `numblocks` say nothing more.
            _ => {}
        }
        Some(())
    }
}

pub(super) fn parse_number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Seconds since 1970 with an optional fraction.
fn parse_time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let mut digits: String = fraction.chars().take(9).collect();
    if !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    while digits.len() < 9 {
        digits.push('0');
    }
    let nanoseconds: u32 = digits.parse().ok()?;
    // -1.5 is half a second before -1: the fraction counts from the second below.
    match (whole.starts_with('-'), nanoseconds) {
        (true, 1..) => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        _ => Some((seconds, nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions_and_signs() {
        assert_eq!(parse_time(b"12"), Some((12, 0)));
        assert_eq!(parse_time(b"12.25"), Some((12, 250_000_000)));
        assert_eq!(parse_time(b"-1.5"), Some((-2, 500_000_000)));
        assert_eq!(parse_time(b"1.2345678919"), Some((1, 234_567_891)));
        for broken in [&b""[..], b"x", b"1.x", b"9223372036854775808"] {
            assert_eq!(parse_time(broken), None);
        }
    }
}
