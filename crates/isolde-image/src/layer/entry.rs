//! One entry of a layer.

use super::InnerPath;

/// One entry of a layer, with its name and where its bytes are.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: InnerPath,
    pub(crate) attributes: Attributes,
    pub(crate) kind: EntryKind,
}

/// What every file has besides its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Permissions, with the set-id and sticky bits.
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Time of the last change of its content.
    pub(crate) mtime_s: i64,
    pub(crate) mtime_ns: u32,
    pub(crate) xattrs: Box<[Xattr]>,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Xattr {
    /// With its prefix, such as `security.capability`.
    pub(crate) name: Box<[u8]>,
    pub(crate) value: Box<[u8]>,
}

/// What an entry makes.
#[derive(Debug)]
pub(crate) enum EntryKind {
    Folder,
    File {
        /// Apparent size in bytes.
        bytes: u64,
        segments: Segments,
    },
    Symlink(Box<[u8]>),
    /// Another name of a file that is there already.
    Hardlink(InnerPath),
    Fifo,
    /// Hides what lower layers have under the name.
    Whiteout,
    /// Hides everything that lower layers have in the folder, which is the
    /// entry's path.
    Opaque,
}

/// Where a file's bytes lie in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segments {
    /// All of them, in one piece that begins here.
    Whole(u64),
    /// Pieces in ascending order; between them the file is zero.
    Sparse(Box<[Segment]>),
}

/// A piece of a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Where in the file it begins.
    pub(crate) at: u64,
    /// Bytes.
    pub(crate) bytes: u64,
    /// Where in the archive it begins.
    pub(crate) offset: u64,
}
