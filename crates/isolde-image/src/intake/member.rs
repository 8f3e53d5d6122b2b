//! The table of contents of a tar archive whose members are read out of order.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tar::{EntryType, Header};

use super::{IntakeError, from_io};
use crate::{ImageError, layer};

const BLOCK: u64 = 512;

/// Members that are kept at most: an image has a few hundred files in it.
const MEMBERS_LIMIT: usize = 100_000;

/// Bytes of their paths in all.
const NAMES_LIMIT: usize = 8 << 20;

/// Longest path of a member, and of what it links to.
const PATH_LIMIT: u64 = 4096;

/// Longest set of extended attributes of a member.
const PAX_LIMIT: u64 = 256 << 10;

/// Links that are followed from one member.
const HOPS: usize = 8;

/// An archive with the places of its files.
pub(super) struct Members {
    file: Arc<File>,
    by_path: HashMap<String, Member>,
}

enum Member {
    File { offset: u64, bytes: u64 },
    Link(String),
}

impl Member {
    fn link_bytes(&self) -> usize {
        match self {
            Self::File { .. } => 0,
            Self::Link(to) => to.len(),
        }
    }
}

/// What the headers before a member say of it.
#[derive(Default)]
struct Extension {
    path: Option<String>,
    link: Option<String>,
    bytes: Option<u64>,
}

impl Members {
    /// Reads all headers of the uncompressed archive; `what` names it in errors.
    pub(super) fn of(file: Arc<File>, what: &str) -> Result<Self, ImageError> {
        let total = file.metadata().map_err(|error| from_io(what, error))?.len();
        if total < BLOCK {
            let why = if total == 0 { "it is empty" } else { "it is not a tar archive" };
            return Err(IntakeError::unfit(what, why).into());
        }
        let mut members = Self { file, by_path: HashMap::new() };
        let (mut at, mut names) = (0, 0);
        let mut extension = Extension::default();
        let mut block = [0; BLOCK as usize];
        while at + BLOCK <= total {
            members.file.read_exact_at(&mut block, at).map_err(|error| from_io(what, error))?;
            if block.iter().all(|byte| *byte == 0) {
                break;
            }
            let refuse = |why: &str| ImageError::from(IntakeError::unfit(what, why));
            let header = header(&block, at).map_err(refuse)?;
            let content = at + BLOCK;
            let bytes = extension.size_of(header).ok_or_else(|| refuse("a header has no size"))?;
            let end = content
                .checked_add(bytes)
                .filter(|end| *end <= total)
                .ok_or_else(|| refuse("it is cut off"))?;
            at = end.next_multiple_of(BLOCK);
            let kind = header.entry_type();
            if is_extension(kind) {
                extension.read(&members.file, kind, content, bytes).map_err(|why| refuse(&why))?;
                continue;
            }
            names += members.add(header, std::mem::take(&mut extension), content, bytes);
            if members.by_path.len() > MEMBERS_LIMIT || names > NAMES_LIMIT {
                return Err(refuse("it has too many members for an archive of images"));
            }
        }
        Ok(members)
    }

    /// Enters a member, if it is a file or a link, and gives the bytes that its
    /// names take. Strange paths are no part of an image: nobody asks for them.
    fn add(&mut self, header: &Header, said: Extension, offset: u64, bytes: u64) -> usize {
        let path = said.path.unwrap_or_else(|| lossy(&header.path_bytes()));
        let kind = header.entry_type();
        let member = match kind {
            EntryType::Symlink | EntryType::Link => {
                let link = said.link.or(header.link_name_bytes().map(|name| lossy(&name)));
                let base = if kind.is_symlink() { parent(&path) } else { "" };
                Member::Link(format!("{base}/{}", link.unwrap_or_default()))
            }
            EntryType::Regular | EntryType::Continuous => Member::File { offset, bytes },
            _ => return 0,
        };
        let Some(path) = normal(&path) else { return 0 };
        let names = path.len() + member.link_bytes();
        self.by_path.insert(path, member);
        names
    }

    /// Whether there is such a member.
    pub(super) fn has(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    /// The content of the file `path`, through links that stay inside, and its
    /// size in bytes.
    pub(super) fn open(&self, path: &str, what: &str) -> Result<(Section, u64), ImageError> {
        let shown = super::document::shown(path);
        let refuse = |why: String| ImageError::from(IntakeError::unfit(what, why));
        let mut name = normal(path)
            .ok_or_else(|| refuse(format!("`{shown}` is no path inside of the archive")))?;
        for _ in 0..HOPS {
            match self.by_path.get(&name) {
                Some(Member::File { offset, bytes }) => {
                    let file = Arc::clone(&self.file);
                    return Ok((Section { file, at: *offset, left: *bytes }, *bytes));
                }
                Some(Member::Link(to)) => {
                    name = normal(to)
                        .ok_or_else(|| refuse(format!("`{shown}` links out of the archive")))?;
                }
                None => return Err(refuse(format!("`{shown}` is missing in the archive"))),
            }
        }
        Err(refuse(format!("`{shown}` is a circle of links")))
    }
}

impl Extension {
    /// The bytes of the content after `header`.
    fn size_of(&self, header: &Header) -> Option<u64> {
        match (header.entry_type(), self.bytes) {
            (EntryType::Regular | EntryType::Continuous, Some(bytes)) => Some(bytes),
            _ => header.entry_size().ok(),
        }
    }

    fn read(&mut self, file: &File, kind: EntryType, at: u64, bytes: u64) -> Result<(), String> {
        let limit = if kind.is_pax_local_extensions() { PAX_LIMIT } else { PATH_LIMIT };
        if kind.is_pax_global_extensions() {
            // Comments of version control systems.
            return Ok(());
        }
        if bytes > limit {
            return Err("a member's path or attributes are too long".into());
        }
        let mut content = vec![0; usize::try_from(bytes).unwrap_or_default()];
        file.read_exact_at(&mut content, at).map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default());
        match kind {
            EntryType::GNULongName => self.path = Some(text(&content)),
            EntryType::GNULongLink => self.link = Some(text(&content)),
            _ => {
                for record in tar::PaxExtensions::new(&content).flatten() {
                    match record.key() {
                        Ok("path") => self.path = Some(text(record.value_bytes())),
                        Ok("linkpath") => self.link = Some(text(record.value_bytes())),
                        Ok("size") => self.bytes = record.value().ok().and_then(|n| n.parse().ok()),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// The block as a header, or what is wrong with it.
fn header(block: &[u8; BLOCK as usize], at: u64) -> Result<&Header, &'static str> {
    let header = Header::from_byte_slice(block);
    match header.cksum().ok() {
        Some(sum) if sum == layer::checksum(block) => Ok(header),
        _ if at == 0 => Err("it is not a tar archive"),
        _ => Err("it is damaged: a header has a wrong checksum"),
    }
}

fn is_extension(kind: EntryType) -> bool {
    kind.is_pax_local_extensions()
        || kind.is_pax_global_extensions()
        || kind.is_gnu_longname()
        || kind.is_gnu_longlink()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The path without `.`, `..` and doubled slashes; `None` if it leaves the
/// archive or is none.
fn normal(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    (!path.is_empty() && path.len() as u64 <= PATH_LIMIT).then_some(path)
}

/// A part of a file.
pub(super) struct Section {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.file.read_at(&mut buffer[..wanted], self.at)?;
        if length == 0 && wanted > 0 {
            // The archive was cut while it was read.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn archive(add: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Arc<File> {
        let mut builder = tar::Builder::new(Vec::new());
        add(&mut builder);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&builder.into_inner().unwrap()).unwrap();
        Arc::new(file)
    }

    fn file(builder: &mut tar::Builder<Vec<u8>>, name: &str, text: &str) {
        let mut header = Header::new_gnu();
        header.set_size(text.len() as u64);
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }

    fn link(builder: &mut tar::Builder<Vec<u8>>, kind: EntryType, name: &str, to: &str) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, name, to).unwrap();
    }

    fn text(members: &Members, path: &str) -> String {
        let mut text = String::new();
        members.open(path, "it").unwrap().0.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn files_are_found_through_links_and_long_names() {
        let long = "deep/".repeat(40) + "file";
        let archive = archive(|builder| {
            file(builder, "./a/layer.tar", "content");
            link(builder, EntryType::Symlink, "b/layer.tar", "../a/layer.tar");
            link(builder, EntryType::Link, "c", "b/layer.tar");
            file(builder, &long, "far away");
            builder.append_pax_extensions([("path", "pax/path".as_bytes())]).unwrap();
            file(builder, "short", "by pax");
        });
        let members = Members::of(archive, "it").unwrap();
        for path in ["a/layer.tar", "b/layer.tar", "c", "./c", "x/../c"] {
            assert_eq!(text(&members, path), "content", "{path}");
        }
        assert_eq!(text(&members, &long), "far away");
        assert_eq!(text(&members, "pax/path"), "by pax");
        assert!(members.has("c") && !members.has("short"));
    }

    #[test]
    fn what_leads_out_or_in_circles_is_refused() {
        let archive = archive(|builder| {
            link(builder, EntryType::Symlink, "out", "../../etc/passwd");
            link(builder, EntryType::Symlink, "one", "two");
            link(builder, EntryType::Symlink, "two", "one");
            link(builder, EntryType::Symlink, "dangling", "nothing");
        });
        let members = Members::of(archive, "it").unwrap();
        for (path, word) in [
            ("out", "links out"),
            ("one", "circle"),
            ("dangling", "missing"),
            ("../x", "no path inside"),
            ("", "no path inside"),
        ] {
            let Err(error) = members.open(path, "it") else { panic!("{path} was found") };
            assert!(error.to_string().contains(word), "{path}: {error}");
        }
    }

    #[test]
    fn damage_is_told() {
        let whole = archive(|builder| file(builder, "a", &"x".repeat(2000)));
        let fails = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            Members::of(Arc::new(file), "it").err().map(|error| error.to_string())
        };
        let mut bytes = vec![0; 4096];
        whole.read_exact_at(&mut bytes[..3072], 0).unwrap();
        assert_eq!(fails(&bytes), None);
        assert!(fails(&bytes[..1500]).unwrap().contains("cut off"));
        assert!(fails(&[]).unwrap().contains("empty"));
        assert!(fails(&[b'x'; 4096]).unwrap().contains("not a tar archive"));
        bytes[512 * 5..].fill(b'x');
        assert!(fails(&bytes).unwrap().contains("damaged"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0u8.., 0..2048), sum: bool) {
            let mut bytes = bytes;
            if sum && bytes.len() >= 512 {
                let block: [u8; 512] = bytes[..512].try_into().unwrap();
                let text = format!("{:06o}\0 ", layer::checksum(&block));
                bytes[148..156].copy_from_slice(text.as_bytes());
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let _ = Members::of(Arc::new(file), "it");
        }
    }
}
