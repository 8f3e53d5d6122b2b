//! The archive format of initramfs images and RPM packages: newc cpio, as in the
//! kernel's Documentation/driver-api/early-userspace/buffer-format.rst.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Kinds of nodes, with the bits of `st_mode` that say so.
#[derive(Debug, Clone, Copy)]
pub enum Node<'a> {
    /// A folder.
    Folder,
    /// A plain file.
    File {
        /// Its content.
        content: &'a [u8],
        /// Its permissions.
        mode: u32,
    },
    /// A device.
    CharacterDevice {
        /// Its kind.
        major: u32,
        /// Its number.
        minor: u32,
    },
}

/// An archive in memory. Everything belongs to root; times are 1970.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    count: u32,
}

impl Archive {
    /// Adds a node; its parent must have been added before. `name` has no
    /// leading slash.
    pub fn add(&mut self, name: &str, node: Node<'_>) {
        let (mode, content, device) = match node {
            Node::Folder => (0o040_755, &[][..], (0, 0)),
            Node::File { content, mode } => (0o100_000 | mode, content, (0, 0)),
            Node::CharacterDevice { major, minor } => (0o020_600, &[][..], (major, minor)),
        };
        self.count += 1;
        self.put(name, self.count, mode, device, content);
    }

    fn put(&mut self, name: &str, inode: u32, mode: u32, device: (u32, u32), content: &[u8]) {
        // Sizes fit: callers bound a file far below 4 GiB.
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let links = 1;
        let (uid, gid, time, own_major, own_minor, check) = (0, 0, 0, 0, 0, 0);
        let fields = [
            inode, mode, uid, gid, links, time, size, own_major, own_minor, device.0, device.1,
            name_size, check,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The whole archive with its trailer.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.put("TRAILER!!!", 0, 0, (0, 0), &[]);
        self.bytes
    }
}

/// A path is at most as long (PATH_MAX).
const MOST_NAME: u64 = 4096;

/// Reads a stranger's archive and gives each plain file with its name to `take`.
///
/// # Errors
/// That it is none or damaged, or what `take` says.
pub(super) fn read(
    mut archive: impl Read,
    mut take: impl FnMut(&Path, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    const FORMAT: u64 = 0o170_000;
    const PLAIN: u64 = 0o100_000;
    let words = |error: std::io::Error| format!("its files cannot be read: {error}");
    loop {
        let mut header = [0; 110];
        archive.read_exact(&mut header).map_err(words)?;
        let [mode, links, bytes, name_bytes] =
            fields(&header).ok_or("its archive of files is none of the format newc")?;
        if name_bytes > MOST_NAME {
            return Err("a name in it is too long".into());
        }
        let mut name = Vec::new();
        // Name and content are padded to multiples of four.
        let padded = (110 + name_bytes).next_multiple_of(4) - 110;
        archive.by_ref().take(padded).read_to_end(&mut name).map_err(words)?;
        let end = name.iter().position(|byte| *byte == 0).ok_or("it is cut off within a name")?;
        if &name[..end] == b"TRAILER!!!" {
            return Ok(());
        }
        let mut content = archive.by_ref().take(bytes);
        // All but the last name of a file with several have no content.
        if mode & FORMAT == PLAIN && (links < 2 || bytes > 0) {
            take(Path::new(OsStr::from_bytes(&name[..end])), &mut content)?;
        }
        let rest = content.limit() + bytes.next_multiple_of(4) - bytes;
        let skipped = std::io::copy(&mut archive.by_ref().take(rest), &mut std::io::sink());
        if skipped.map_err(words)? != rest {
            return Err("it is cut off within a file".into());
        }
    }
}

/// Mode, links, bytes and bytes of the name.
fn fields(header: &[u8; 110]) -> Option<[u64; 4]> {
    let field = |index: usize| {
        let digits = std::str::from_utf8(header.get(6 + 8 * index..14 + 8 * index)?).ok()?;
        u32::from_str_radix(digits, 16).ok().map(u64::from)
    };
    let is_newc = header.starts_with(b"070701") || header.starts_with(b"070702");
    if !is_newc {
        return None;
    }
    Some([field(1)?, field(4)?, field(6)?, field(11)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_refused() {
        let mut archive = Archive::default();
        archive.add("folder", Node::Folder);
        archive.add("folder/file", Node::File { content: b"seven..", mode: 0o644 });
        archive.add("other", Node::File { content: b"", mode: 0o644 });
        let bytes = archive.finish();
        let list = |bytes: &[u8]| {
            let mut files = Vec::new();
            read(bytes, |name, content| {
                let mut text = String::new();
                content.read_to_string(&mut text).unwrap();
                files.push((name.to_owned(), text));
                Ok(())
            })
            .map(|()| files)
        };
        let files = list(&bytes).unwrap();
        let expected = [("folder/file", "seven.."), ("other", "")];
        assert_eq!(files, expected.map(|(name, text)| (name.into(), text.to_owned())));
        // The last three bytes are padding.
        for cut in 0..bytes.len() - 3 {
            list(&bytes[..cut]).unwrap_err();
        }
    }
}
