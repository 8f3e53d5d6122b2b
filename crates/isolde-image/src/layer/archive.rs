//! The walk through a tar archive. Not the `tar` crate's own: that reads
//! extended headers of any length into memory, and knows only one of GNU tar's
//! four formats of sparse files. Fields of headers are read with the crate.

use std::io::{ErrorKind, Read, Seek, SeekFrom};

use tar::{EntryType, Header};

use super::entry::{Attributes, Entry, EntryKind, Segments};
use super::path::InnerPath;
use super::pax::Extensions;
use super::{LayerFault, sparse};

const BLOCK: usize = 512;

/// Longest extended header: attributes of 64 KiB each fit several times.
const LARGEST_EXTENSION: u64 = 1 << 20;

/// Most entries of one layer. The largest images have some hundred thousand files.
const MOST_ENTRIES: u32 = 4_000_000;

/// The largest file that ext4 can hold with blocks of 4 KiB.
const LARGEST_FILE: u64 = (1 << 44) - 4096;

/// Prefix of the names by which a layer hides what lower ones have (OCI image
/// specification, layer.md), and of aufs' own book-keeping.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const BOOK_KEEPING: &[u8] = b".wh..wh.";

/// An archive and how far it has been read.
pub(super) struct Blocks<R> {
    archive: R,
    position: u64,
    bytes: u64,
}

impl<R: Read + Seek> Blocks<R> {
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Fills `buffer`.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<(), LayerFault> {
        self.archive.read_exact(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => LayerFault::archive("it is cut short"),
            _ => LayerFault::archive(format!("it cannot be read: {error}")),
        })?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    /// Goes on at the block that follows `bytes` bytes of content at `start`.
    fn skip(&mut self, start: u64, bytes: u64) -> Result<(), LayerFault> {
        let end = start.checked_add(bytes).filter(|end| *end <= self.bytes);
        let end = end.ok_or_else(|| LayerFault::archive("it is cut short"))?;
        let next = end.next_multiple_of(BLOCK as u64);
        // Relative, so that a buffered reader keeps what it has.
        let step = i64::try_from(next).ok().zip(i64::try_from(self.position).ok());
        let step = step.map(|(next, position)| next - position);
        let moved = match step {
            Some(0) => Ok(()),
            Some(step) => self.archive.seek_relative(step),
            None => self.archive.seek(SeekFrom::Start(next)).map(|_| ()),
        };
        self.position = next;
        moved.map_err(|error| LayerFault::archive(format!("it cannot be read: {error}")))
    }

    fn header(&mut self) -> Result<Option<Header>, LayerFault> {
        // The two blocks of zeros at the end are left out by some tools.
        if self.position == self.bytes {
            return Ok(None);
        }
        let mut header = Header::new_old();
        self.read(header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let told = header.cksum().ok();
        // A fuzzer would spend its time on guessing sums.
        if cfg!(fuzzing) || told == Some(checksum(header.as_bytes())) {
            Ok(Some(header))
        } else {
            Err(LayerFault::archive("it is not a tar archive, or a header in it is damaged"))
        }
    }

    fn content(&mut self, bytes: u64) -> Result<Vec<u8>, LayerFault> {
        if bytes > LARGEST_EXTENSION {
            return Err(LayerFault::archive("an extended header is too long"));
        }
        let start = self.position;
        if start + bytes > self.bytes {
            return Err(LayerFault::archive("it is cut short"));
        }
        let mut content = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.read(&mut content)?;
        self.skip(start, bytes)?;
        Ok(content)
    }
}

/// Sum of all bytes, those of the sum itself as blanks (pax(1), "ustar
/// Interchange Format").
pub(crate) fn checksum(header: &[u8; BLOCK]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    sum(&header[..148]) + 8 * u32::from(b' ') + sum(&header[156..])
}

/// Hands every entry of an archive of `bytes` bytes to `take`, in its order.
pub(crate) fn read_entries(
    archive: impl Read + Seek,
    bytes: u64,
    take: &mut dyn FnMut(Entry) -> Result<(), LayerFault>,
) -> Result<(), LayerFault> {
    let mut blocks = Blocks { archive, position: 0, bytes };
    let mut count = 0;
    let mut extensions = Extensions::default();
    while let Some(header) = blocks.header()? {
        let size = |header: &Header| {
            header.entry_size().map_err(|_| LayerFault::archive("a size in it is broken"))
        };
        match header.entry_type() {
            EntryType::GNULongName => {
                extensions.path = Some(without_zeros(blocks.content(size(&header)?)?));
            }
            EntryType::GNULongLink => {
                extensions.link = Some(without_zeros(blocks.content(size(&header)?)?));
            }
            EntryType::XHeader => extensions.add(&blocks.content(size(&header)?)?)?,
            // Speaks of the archive, not of its entries (git's commit, say).
            EntryType::XGlobalHeader => drop(blocks.content(size(&header)?)?),
            _ => {
                count += 1;
                if count > MOST_ENTRIES {
                    return Err(LayerFault::archive("it has too many entries"));
                }
                let known = std::mem::take(&mut extensions);
                if let Some(entry) = read_entry(&header, known, &mut blocks)? {
                    take(entry)?;
                }
            }
        }
    }
    Ok(())
}

fn without_zeros(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}

/// One entry; `None` for what says nothing of the image.
fn read_entry<R: Read + Seek>(
    header: &Header,
    extensions: Extensions,
    blocks: &mut Blocks<R>,
) -> Result<Option<Entry>, LayerFault> {
    let named = extensions.sparse.name.clone().or_else(|| extensions.path.clone());
    let name = named.unwrap_or_else(|| header.path_bytes().into_owned());
    let refuse = |reason: String| LayerFault::entry(&name, reason);
    let path = InnerPath::parse(&name, "the name")?;
    let attributes =
        attributes(header, &extensions).map_err(|what| refuse(format!("its {what} is broken")))?;
    let start = blocks.position();
    let stored = stored_bytes(header, &extensions).map_err(refuse)?;
    if let Some((path, kind)) = whiteout(&path) {
        blocks.skip(start, stored)?;
        return Ok(kind.map(|kind| Entry { path, attributes, kind }));
    }
    let kind = match header.entry_type() {
        EntryType::Directory => EntryKind::Folder,
        EntryType::Regular if name.ends_with(b"/") => EntryKind::Folder,
        EntryType::Symlink => EntryKind::Symlink(link(header, &extensions).into()),
        EntryType::Link => {
            let target = link(header, &extensions);
            EntryKind::Hardlink(InnerPath::parse(&target, "the target of a hard link")?)
        }
        EntryType::Fifo => EntryKind::Fifo,
        // Every environment mounts a /dev of its own.
        EntryType::Char | EntryType::Block if path.is_below(b"dev") => return Ok(None),
        EntryType::Char | EntryType::Block => {
            return Err(refuse("a device node outside of /dev is not taken from an image".into()));
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            read_content(header, &extensions, blocks, stored).map_err(refuse)?
        }
        other => {
            let kind = char::from(other.as_byte()).escape_default();
            return Err(refuse(format!("it is of the unknown kind `{kind}`")));
        }
    };
    Ok(Some(Entry { path, attributes, kind }))
}

/// Bytes of content that follow the header. Links, folders and devices have
/// none, although some tools give them the size of what they point to.
fn stored_bytes(header: &Header, extensions: &Extensions) -> Result<u64, String> {
    match (header.entry_type(), extensions.size) {
        (EntryType::Directory | EntryType::Symlink | EntryType::Link, _)
        | (EntryType::Fifo | EntryType::Char | EntryType::Block, _) => Ok(0),
        (_, Some(size)) => Ok(size),
        (_, None) => header.entry_size().map_err(|_| "its size is broken".to_owned()),
    }
}

fn link(header: &Header, extensions: &Extensions) -> Vec<u8> {
    let told = || header.link_name_bytes().map(std::borrow::Cow::into_owned);
    extensions.link.clone().or_else(told).unwrap_or_default()
}

/// Where a file's bytes are; goes on behind them.
fn read_content<R: Read + Seek>(
    header: &Header,
    extensions: &Extensions,
    blocks: &mut Blocks<R>,
    stored: u64,
) -> Result<EntryKind, String> {
    let mut start = blocks.position();
    let (bytes, segments) = if extensions.sparse.is_present {
        sparse::of_records(&extensions.sparse, blocks, stored)?
    } else if header.entry_type() == EntryType::GNUSparse {
        let header = header.as_gnu().ok_or("its map of a sparse file is missing")?;
        let found = sparse::of_header(header, blocks, stored)?;
        start = blocks.position();
        found
    } else {
        (stored, Segments::Whole(start))
    };
    if bytes > LARGEST_FILE {
        return Err("it is larger than a file can be".into());
    }
    blocks.skip(start, stored).map_err(|fault| fault.reason)?;
    Ok(EntryKind::File { bytes, segments })
}

/// What a name that hides something hides; `None` inside for book-keeping.
fn whiteout(path: &InnerPath) -> Option<(InnerPath, Option<EntryKind>)> {
    let (name, parents) = path.split_last()?;
    let hidden = name.strip_prefix(WHITEOUT)?;
    let parents = parents.to_vec();
    if name == OPAQUE {
        return Some((InnerPath(parents), Some(EntryKind::Opaque)));
    }
    if name.starts_with(BOOK_KEEPING) || matches!(hidden, b"" | b"." | b"..") {
        return Some((InnerPath(parents), None));
    }
    let mut whole = parents;
    whole.push(hidden.into());
    Some((InnerPath(whole), Some(EntryKind::Whiteout)))
}

/// Whether a number was left out, which some tools do where it is 0.
fn is_blank(field: &[u8]) -> bool {
    field.iter().all(|byte| matches!(byte, 0 | b' '))
}

fn attributes(header: &Header, extensions: &Extensions) -> Result<Attributes, &'static str> {
    let fields = header.as_old();
    let id = |told: Option<u32>, raw: &[u8], field: std::io::Result<u64>, what| match told {
        Some(id) => Ok(id),
        None if is_blank(raw) => Ok(0),
        None => field.ok().and_then(|id| u32::try_from(id).ok()).ok_or(what),
    };
    let (mtime_s, mtime_ns) = match extensions.mtime {
        Some(time) => time,
        None if is_blank(&fields.mtime) => (0, 0),
        // Before 1970 it is a negative number in two's complement.
        None => (header.mtime().map_err(|_| "time")? as i64, 0),
    };
    let mode = match header.mode() {
        Ok(mode) => mode,
        Err(_) if is_blank(&fields.mode) => 0,
        Err(_) => return Err("mode"),
    };
    let mut xattrs = extensions.xattrs.clone();
    xattrs.sort();
    let xattrs = xattrs.into_boxed_slice();
    Ok(Attributes {
        mode: (mode & 0o7777) as u16,
        uid: id(extensions.uid, &fields.uid, header.uid(), "owner")?,
        gid: id(extensions.gid, &fields.gid, header.gid(), "group")?,
        mtime_s,
        mtime_ns,
        xattrs,
    })
}
