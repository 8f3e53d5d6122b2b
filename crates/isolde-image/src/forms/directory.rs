//! A tree as a directory.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use crate::ImageError;
use crate::contents::Contents;
use crate::layer::{Attributes, Segments};
use crate::merged::{Content, Kind, Layers, NodeId, Tree};

/// Writes the tree as the new directory `root`, durably.
pub(crate) fn write_directory(tree: &Tree, layers: &Layers, root: &Path) -> Result<(), ImageError> {
    let mut writer = Writer {
        tree,
        root,
        contents: Contents::new(layers),
        first_names: vec![None; tree.len()],
        is_root: rustix::process::geteuid().is_root(),
    };
    make_folder(root)?;
    let mut folders = vec![(root.to_owned(), Tree::ROOT)];
    let mut result = Ok(());
    tree.walk(&mut |name, id| {
        if result.is_ok() {
            let path = root.join(OsStr::from_bytes(name));
            result = writer.write(&path, id);
            if matches!(tree.node(id).kind, Kind::Folder(_)) {
                folders.push((path, id));
            }
        }
    });
    result?;
    // A folder's time changes with what is put into it, and its mode may forbid
    // that: from the inside out.
    for (path, id) in folders.iter().rev() {
        writer.finish(path, &tree.node(*id).attributes, true)?;
    }
    // The names must not outlive a power cut without the contents.
    let sync = File::open(root).and_then(|root| Ok(rustix::fs::syncfs(root)?));
    sync.map_err(|error| ImageError::file("write", root, error))
}

struct Writer<'a> {
    tree: &'a Tree,
    root: &'a Path,
    contents: Contents<'a>,
    /// Under which name a node was made first: its other names are links to it.
    first_names: Vec<Option<PathBuf>>,
    is_root: bool,
}

impl Writer<'_> {
    fn write(&mut self, path: &Path, id: NodeId) -> Result<(), ImageError> {
        let make = |error: io::Error| ImageError::file("make", path, error);
        let node = self.tree.node(id);
        if let Some(first) = &self.first_names[id as usize] {
            return fs::hard_link(first, path).map_err(make);
        }
        match &node.kind {
            Kind::Folder(_) => return make_folder(path),
            Kind::Symlink(target) => symlink(OsStr::from_bytes(target), path).map_err(make)?,
            Kind::Fifo => rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0)
                .map_err(|error| make(error.into()))?,
            Kind::File { bytes, content } => self.write_file(path, *bytes, content)?,
        }
        self.first_names[id as usize] = Some(path.to_owned());
        self.finish(path, &node.attributes, !matches!(node.kind, Kind::Symlink(_)))
    }

    fn write_file(&mut self, path: &Path, bytes: u64, content: &Content) -> Result<(), ImageError> {
        let write = |error| ImageError::file("write", path, error);
        let mut file = File::create_new(path).map_err(write)?;
        let Content::Layer { segments: Segments::Sparse(pieces), .. } = content else {
            return self.contents.copy(bytes, content, 0..bytes, &mut file, path);
        };
        file.set_len(bytes).map_err(write)?;
        for piece in pieces {
            file.seek(SeekFrom::Start(piece.at)).map_err(write)?;
            let range = piece.at..piece.at + piece.bytes;
            self.contents.copy(bytes, content, range, &mut file, path)?;
        }
        Ok(())
    }

    /// Sets owner, attributes, mode and time, in the order in which one does not
    /// undo the other: a new owner takes the set-id bits and capabilities away.
    fn finish(
        &self,
        path: &Path,
        attributes: &Attributes,
        has_mode: bool,
    ) -> Result<(), ImageError> {
        let Attributes { mode, uid, gid, mtime_s, mtime_ns, xattrs } = attributes;
        // Only root can; a directory made by somebody else keeps its owner.
        if self.is_root {
            lchown(path, Some(*uid), Some(*gid))
                .map_err(|error| ImageError::file("own", path, error))?;
        }
        for xattr in xattrs {
            let name = OsStr::from_bytes(&xattr.name);
            rustix::fs::lsetxattr(path, name, &xattr.value, XattrFlags::empty()).map_err(
                |error| self.unfit(path, format!("its attribute {}: {error}", name.display())),
            )?;
        }
        if has_mode {
            let permissions = Permissions::from_mode(u32::from(*mode));
            fs::set_permissions(path, permissions)
                .map_err(|error| ImageError::file("write", path, error))?;
        }
        let time = Timespec { tv_sec: *mtime_s, tv_nsec: i64::from(*mtime_ns) };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| ImageError::file("set the time of", path, error))
    }

    fn unfit(&self, path: &Path, reason: String) -> ImageError {
        let path = path.strip_prefix(self.root).unwrap_or(path);
        ImageError::Unfit { path: Path::new("/").join(path), form: "a directory", reason }
    }
}

/// Makes a folder that only its owner may enter until it is finished.
fn make_folder(path: &Path) -> Result<(), ImageError> {
    let made = fs::DirBuilder::new().mode(0o700).create(path);
    made.map_err(|error| ImageError::file("make", path, error))
}
