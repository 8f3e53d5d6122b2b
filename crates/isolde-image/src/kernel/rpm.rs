//! RPM packages (format version 3 and 4, <https://rpm-software-management.github.io/rpm/manual/format_v4.html>):
//! a lead, a header with signatures, a header, and a packed cpio archive.
//!
//! Read by hand: what is needed of the two headers is their length, whereas the
//! crate `rpm` brings parsers of all their tags and its own unpackers, unbounded.

use std::io::{BufRead, Read};
use std::path::Path;

use super::taken::MOST_READ;
use super::{cpio, unpack};

/// First bytes of the lead.
pub(super) const MAGIC: &[u8] = &[0xed, 0xab, 0xee, 0xdb];

const LEAD_BYTES: u64 = 96;

/// Reads a stranger's package and gives each plain file with its name to `take`.
///
/// # Errors
/// That it is none or damaged, or what `take` says.
pub(super) fn read(
    mut package: impl BufRead,
    take: impl FnMut(&Path, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    skip(&mut package, LEAD_BYTES)?;
    let signature = header(&mut package)?;
    // The second header begins at a multiple of eight.
    skip(&mut package, signature.next_multiple_of(8) - signature)?;
    header(&mut package)?;
    let files = unpack::reader(package)?.take(MOST_READ);
    cpio::read(files, take)
}

/// Skips a header and gives its length: 16 bytes of introduction, an index of
/// entries with 16 bytes each, and a store.
fn header(package: &mut impl Read) -> Result<u64, String> {
    let mut introduction = [0; 16];
    let read = package.read_exact(&mut introduction);
    read.map_err(|error| format!("it is cut off or damaged: {error}"))?;
    let number = |at: usize| {
        let field = introduction.get(at..at + 4).unwrap_or_default();
        field.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte))
    };
    if !introduction.starts_with(&[0x8e, 0xad, 0xe8]) {
        return Err("it is no RPM package, or damaged: a header is not where it should be".into());
    }
    let length = number(8) * 16 + number(12);
    skip(package, length)?;
    Ok(16 + length)
}

fn skip(package: &mut impl Read, bytes: u64) -> Result<(), String> {
    match std::io::copy(&mut package.take(bytes), &mut std::io::sink()) {
        Ok(skipped) if skipped == bytes => Ok(()),
        Ok(_) => Err("it is cut off".into()),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}
