//! A tree as a tar archive, as `docker import` takes it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::ImageError;
use crate::contents::Contents;
use crate::layer::{Attributes, Segment, Segments};
use crate::merged::{Content, Kind, Layers, NodeId, Tree};

const BLOCK: usize = 512;

/// Writes the tree as the new archive `path`, in the order of its names.
pub(crate) fn write_tar(tree: &Tree, layers: &Layers, path: &Path) -> Result<(), ImageError> {
    let failed = |error| ImageError::file("write", path, error);
    let file = BufWriter::with_capacity(1 << 20, File::create_new(path).map_err(failed)?);
    let mut writer = Writer {
        tree,
        contents: Contents::new(layers),
        archive: Builder::new(file),
        first_names: vec![None; tree.len()],
        path,
    };
    let mut result = Ok(());
    tree.walk(&mut |name, id| {
        if result.is_ok() {
            result = writer.write(name, id);
        }
    });
    result?;
    let mut file = writer.archive.into_inner().map_err(failed)?;
    file.flush().map_err(failed)
}

struct Writer<'a> {
    tree: &'a Tree,
    contents: Contents<'a>,
    archive: Builder<BufWriter<File>>,
    /// Under which name a node was written first: its other names are links to it.
    first_names: Vec<Option<Box<[u8]>>>,
    path: &'a Path,
}

/// Records of an extended header, in their order.
type Records = Vec<(&'static str, Vec<u8>)>;

impl Writer<'_> {
    fn write(&mut self, name: &[u8], id: NodeId) -> Result<(), ImageError> {
        let tree = self.tree;
        let node = tree.node(id);
        if let Some(first) = self.first_names[id as usize].clone() {
            let mut header = header(EntryType::Link, &Attributes::default());
            let records = link_records(&mut header, &first);
            return self.write_header(header, name, &Attributes::default(), records);
        }
        let attributes = &node.attributes;
        match &node.kind {
            Kind::Folder(_) => {
                let header = header(EntryType::Directory, attributes);
                return self.write_header(header, name, attributes, Vec::new());
            }
            Kind::Symlink(target) => {
                let mut header = header(EntryType::Symlink, attributes);
                let records = link_records(&mut header, target);
                self.write_header(header, name, attributes, records)?;
            }
            Kind::Fifo => {
                let header = header(EntryType::Fifo, attributes);
                self.write_header(header, name, attributes, Vec::new())?;
            }
            Kind::File { bytes, content } => self.write_file(name, attributes, *bytes, content)?,
        }
        self.first_names[id as usize] = Some(name.into());
        Ok(())
    }

    fn write_file(
        &mut self,
        name: &[u8],
        attributes: &Attributes,
        bytes: u64,
        content: &Content,
    ) -> Result<(), ImageError> {
        let mut header = header(EntryType::Regular, attributes);
        let whole = [Segment { at: 0, bytes, offset: 0 }];
        let (pieces, map, records) = match content {
            Content::Layer { segments: Segments::Sparse(pieces), .. } => {
                (&**pieces, sparse_map(pieces), sparse_records(name, bytes))
            }
            _ => (&whole[..], Vec::new(), Vec::new()),
        };
        let stored: u64 = pieces.iter().map(|piece| piece.bytes).sum();
        let total = map.len() as u64 + stored;
        header.set_size(total);
        self.write_header(header, name, attributes, records)?;
        let failed = |error| ImageError::file("write", self.path, error);
        let to = self.archive.get_mut();
        to.write_all(&map).map_err(failed)?;
        for piece in pieces {
            let range = piece.at..piece.at + piece.bytes;
            self.contents.copy(bytes, content, range, to, self.path)?;
        }
        let padding = total.next_multiple_of(BLOCK as u64) - total;
        to.write_all(&[0; BLOCK][..padding as usize]).map_err(failed)
    }

    /// Writes a header, and before it what it has no field for. The content
    /// follows.
    fn write_header(
        &mut self,
        mut header: Header,
        name: &[u8],
        attributes: &Attributes,
        mut records: Records,
    ) -> Result<(), ImageError> {
        let failed = |error| ImageError::file("write", self.path, error);
        if let Some(name) = put(name, &mut header.as_old_mut().name) {
            records.push(("path", name));
        }
        let Attributes { mtime_s, mtime_ns, xattrs, .. } = attributes;
        if *mtime_ns > 0 || *mtime_s < 0 {
            records.push(("mtime", time_record(*mtime_s, *mtime_ns).into_bytes()));
        }
        let xattrs = xattrs.iter().filter_map(|xattr| {
            let name = std::str::from_utf8(&xattr.name).ok()?;
            Some((format!("SCHILY.xattr.{name}"), xattr.value.to_vec()))
        });
        let records = records.into_iter().map(|(key, value)| (key.to_owned(), value));
        let records: Vec<_> = records.chain(xattrs).collect();
        if !records.is_empty() {
            let records = records.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
            self.archive.append_pax_extensions(records).map_err(failed)?;
        }
        header.set_cksum();
        self.archive.get_mut().write_all(header.as_bytes()).map_err(failed)
    }
}

/// Seconds with a fraction. Before 1970 the fraction counts downwards.
fn time_record(seconds: i64, nanoseconds: u32) -> String {
    match (seconds, nanoseconds) {
        (..0, 1..) => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds),
        _ => format!("{seconds}.{nanoseconds:09}"),
    }
}

/// Puts text into a header's field; what does not fit is given back, to be told
/// in a record.
fn put(text: &[u8], field: &mut [u8]) -> Option<Vec<u8>> {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
    (length < text.len()).then(|| text.to_vec())
}

fn link_records(header: &mut Header, target: &[u8]) -> Records {
    let rest = put(target, &mut header.as_old_mut().linkname);
    rest.map(|target| ("linkpath", target)).into_iter().collect()
}

fn header(kind: EntryType, attributes: &Attributes) -> Header {
    // Not GNU's kind: with that, GNU tar knows no sparse files of format 1.0.
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(u32::from(attributes.mode));
    header.set_uid(u64::from(attributes.uid));
    header.set_gid(u64::from(attributes.gid));
    // Times before 1970 are told in a record.
    header.set_mtime(attributes.mtime_s.max(0).unsigned_abs());
    header.set_size(0);
    header
}

/// GNU tar's sparse format 1.0, which Docker reads as well ("Storing Sparse
/// Files" in the manual of GNU tar).
fn sparse_records(name: &[u8], bytes: u64) -> Records {
    vec![
        ("GNU.sparse.major", b"1".to_vec()),
        ("GNU.sparse.minor", b"0".to_vec()),
        ("GNU.sparse.name", name.to_vec()),
        ("GNU.sparse.realsize", bytes.to_string().into_bytes()),
    ]
}

/// The map that begins the content: numbers in lines, in whole blocks.
fn sparse_map(pieces: &[Segment]) -> Vec<u8> {
    let mut text = format!("{}\n", pieces.len());
    for piece in pieces {
        text.push_str(&format!("{}\n{}\n", piece.at, piece.bytes));
    }
    let mut map = text.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}
