//! Debian's packages (deb(5)): an `ar` archive whose member `data.tar…` has the files.

use std::ffi::OsStr;
use std::io::{BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::taken::MOST_READ;
use super::unpack;

/// First bytes of an `ar` archive.
pub(super) const MAGIC: &[u8] = b"!<arch>\n";

/// A path of the kernel's is at most as long (PATH_MAX).
const MOST_NAME: u64 = 4096;

/// Reads a stranger's package and gives each plain file with its name to `take`.
///
/// # Errors
/// That it is none or damaged, or what `take` says.
pub(super) fn read(
    mut package: impl BufRead,
    take: impl FnMut(&Path, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    let words = |error: std::io::Error| format!("it is cut off or damaged: {error}");
    package.read_exact(&mut [0; MAGIC.len()]).map_err(words)?;
    loop {
        let mut header = [0; 60];
        if package.fill_buf().map_err(words)?.is_empty() {
            return Err("it is no Debian package, or cut off: it has no data.tar".into());
        }
        package.read_exact(&mut header).map_err(words)?;
        let (name, bytes) = member(&header).ok_or("its list of members is damaged")?;
        if name.starts_with("data.tar") {
            return read_tar(package.take(bytes), take);
        }
        // Members begin at even places.
        let skip = bytes.next_multiple_of(2);
        let skipped = std::io::copy(&mut package.by_ref().take(skip), &mut std::io::sink());
        if skipped.map_err(words)? != skip {
            return Err(format!("it ends within its member {name}"));
        }
    }
}

/// Name and length of a member (ar(5): 16 bytes of name, 10 of size at 48).
fn member(header: &[u8; 60]) -> Option<(&str, u64)> {
    let text = |range| std::str::from_utf8(header.get(range)?).ok();
    let name = text(0..16)?.trim_end().trim_end_matches('/');
    let bytes = text(48..58)?.trim_end().parse().ok()?;
    (header.ends_with(b"`\n") && name.bytes().all(|b| b.is_ascii_graphic()))
        .then_some((name, bytes))
}

fn read_tar(
    member: impl BufRead,
    mut take: impl FnMut(&Path, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    let words = |error: std::io::Error| format!("its files cannot be read: {error}");
    let mut archive = tar::Archive::new(unpack::reader(member)?.take(MOST_READ));
    let mut long_name = None;
    // Raw: the library would keep long names and attributes of any length.
    for entry in archive.entries().map_err(words)?.raw(true) {
        let mut entry = entry.map_err(words)?;
        match entry.header().entry_type() {
            tar::EntryType::GNULongName => {
                let mut name = Vec::new();
                entry.by_ref().take(MOST_NAME).read_to_end(&mut name).map_err(words)?;
                let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                long_name = Some(PathBuf::from(OsStr::from_bytes(&name[..end])));
            }
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let header = entry.header().path().map_err(words)?.into_owned();
                take(&long_name.take().unwrap_or(header), &mut entry)?;
            }
            _ => long_name = None,
        }
    }
    Ok(())
}
