//! An unpacked root file system, made into the one layer of an image. The same
//! folder gives the same bytes, so the image's id tells the content.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{lgetxattr, llistxattr};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::digest::Digest;
use super::{Intake, IntakeError, Platform, Progress, Taken, space};
use crate::{ImageConfig, ImageError, Store, layer};

/// Longest list of attributes' names, and longest value (limits.h of Linux:
/// XATTR_LIST_MAX, XATTR_SIZE_MAX).
const XATTR_LIMIT: usize = 65536;

/// Deepest nesting of folders; paths cannot be much deeper.
const DEPTH: usize = 1000;

/// Makes an image of the folder `root`.
pub(super) fn take(intake: &Intake<'_>, root: &Path) -> Result<Taken, ImageError> {
    let what = format!("the folder {}", root.display());
    let metadata = fs::metadata(root).map_err(|error| ImageError::file("read", root, error))?;
    if !metadata.is_dir() {
        return Err(IntakeError::unfit(&what, "it is no folder").into());
    }
    let written = take_layer(intake, root, &metadata)?;
    let platform = intake.wanted();
    Ok(Taken {
        id: id(&written, &platform).hex().to_owned(),
        names: Vec::new(),
        manifest: None,
        platform,
        config: ImageConfig::default(),
        layers: vec![written.hex().to_owned()],
        origin: format!("dir:{}", root.display()),
    })
}

/// Makes a layer of what is in the folder `root`, which has `metadata`.
pub(super) fn take_layer(
    intake: &Intake<'_>,
    root: &Path,
    metadata: &Metadata,
) -> Result<Digest, ImageError> {
    intake.report(Progress::Layer { number: 1, count: 1, bytes: None });
    let half = intake.store.half_made(Store::LAYERS);
    let written = write_layer(intake, root, metadata, half.path())?;
    layer::check(half.path(), &format!("the folder {}", root.display()))?;
    // Under its name only now: the name is what it hashes to.
    intake.store.keep(Store::LAYERS, written.hex(), |path| {
        fs::rename(half.path(), path).map_err(|error| ImageError::file("make", path, error))
    })?;
    Ok(written)
}

/// The digest of the configuration that such an image would have.
fn id(layer: &Digest, platform: &Platform) -> Digest {
    let configuration = serde_json::json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "rootfs": { "type": "layers", "diff_ids": [layer.to_string()] },
        "variant": platform.variant,
    });
    Digest::of(&Sha256::digest(configuration.to_string()))
}

fn write_layer(
    intake: &Intake<'_>,
    root: &Path,
    metadata: &Metadata,
    path: &Path,
) -> Result<Digest, ImageError> {
    let file = File::create_new(path).map_err(|error| ImageError::file("make", path, error))?;
    let room = space::Room::new(path);
    let sink = Sink { intake, file, hash: Sha256::new(), room, total: 0 };
    let mut layer = Layer {
        intake,
        root,
        device: metadata.dev(),
        archive: Builder::new(io::BufWriter::with_capacity(256 * 1024, sink)),
        linked: BTreeMap::new(),
    };
    layer.archive.follow_symlinks(false);
    layer.add_below(Path::new(""), 0)?;
    let finish = |error: io::Error| from_write(path, error);
    let sink = layer.archive.into_inner().map_err(finish)?;
    let sink = sink.into_inner().map_err(|error| finish(error.into_error()))?;
    Ok(Digest::of(&sink.hash.finalize()))
}

struct Layer<'a> {
    intake: &'a Intake<'a>,
    root: &'a Path,
    device: u64,
    archive: Builder<io::BufWriter<Sink<'a>>>,
    /// Path in the archive of each file with several names, by inode.
    linked: BTreeMap<u64, PathBuf>,
}

impl Layer<'_> {
    /// Adds what is in the folder `inside`, in byte order of the names.
    fn add_below(&mut self, inside: &Path, depth: usize) -> Result<(), ImageError> {
        let folder = self.root.join(inside);
        let read = |error| ImageError::file("read", &folder, error);
        if depth > DEPTH {
            return Err(read(io::Error::other("its folders are too deep")));
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(read)? {
            names.push(entry.map_err(read)?.file_name());
        }
        names.sort();
        for name in names {
            self.intake.go_on()?;
            self.add(&inside.join(name), depth)?;
        }
        Ok(())
    }

    fn add(&mut self, inside: &Path, depth: usize) -> Result<(), ImageError> {
        let path = self.root.join(inside);
        let read = |error| ImageError::file("read", &path, error);
        let metadata = fs::symlink_metadata(&path).map_err(read)?;
        let kind = metadata.file_type();
        let is_device = kind.is_char_device() || kind.is_block_device();
        if kind.is_socket() || (is_device && inside.starts_with("dev")) || self.is_cache(&path) {
            tracing::debug!(path = %path.display(), "left out of the image");
            return Ok(());
        }
        if inside.file_name().is_some_and(|name| name.as_bytes().starts_with(b".wh.")) {
            return Err(read(io::Error::other(
                "a name that begins with .wh. means a deleted file in a layer: remove it",
            )));
        }
        if !kind.is_dir() && metadata.nlink() > 1 {
            if let Some(first) = self.linked.get(&metadata.ino()) {
                return add_link(&mut self.archive, &metadata, inside, first).map_err(read);
            }
            self.linked.insert(metadata.ino(), inside.to_owned());
        }
        let attributes = attributes(&path).map_err(read)?;
        let records = attributes.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        self.archive.append_pax_extensions(records).map_err(read)?;
        self.archive
            .append_path_with_name(&path, inside)
            .map_err(|error| from_write(&path, error))?;
        let after = fs::symlink_metadata(&path).map_err(read)?;
        if kind.is_file() && (after.len(), after.mtime()) != (metadata.len(), metadata.mtime()) {
            // The archive may then be of no use from here on.
            return Err(ImageError::Changed { path });
        }
        // What is mounted there is not part of it.
        if kind.is_dir() && metadata.dev() == self.device {
            self.add_below(inside, depth + 1)?;
        }
        Ok(())
    }

    /// The cache, when it lies inside the folder, would contain itself.
    fn is_cache(&self, path: &Path) -> bool {
        path == self.intake.store.root()
            || path.canonicalize().is_ok_and(|path| path == self.intake.store.root())
    }
}

fn add_link(
    archive: &mut Builder<impl Write>,
    metadata: &Metadata,
    inside: &Path,
    first: &Path,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_metadata(metadata);
    header.set_entry_type(EntryType::Link);
    header.set_size(0);
    archive.append_link(&mut header, inside, first)
}

/// Extended attributes as records of a pax header, in byte order of their
/// names.
fn attributes(path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut names = vec![0; XATTR_LIMIT];
    let length = match llistxattr(path, &mut names) {
        Ok(length) => length,
        // A file system without them.
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; XATTR_LIMIT];
        match lgetxattr(path, name, &mut value) {
            Ok(length) => value.truncate(length),
            // Gone since, or kept from us.
            Err(_) => continue,
        }
        if let Ok(name) = std::str::from_utf8(name) {
            found.push((format!("SCHILY.xattr.{name}"), value));
        }
    }
    found.sort();
    Ok(found)
}

/// Where the layer goes: it is hashed, and room for it is looked for.
struct Sink<'a> {
    intake: &'a Intake<'a>,
    file: File,
    hash: Sha256,
    room: space::Room,
    total: u64,
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.intake.go_on().map_err(io::Error::other)?;
        self.total += bytes.len() as u64;
        self.intake.limits.check_total(self.total).map_err(io::Error::other)?;
        self.room.take(&self.file, bytes.len()).map_err(io::Error::other)?;
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.intake.report(Progress::Unpacked { bytes: bytes.len() as u64 });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// An error of writing the archive: of ours, or of a file that goes into it.
fn from_write(path: &Path, error: io::Error) -> ImageError {
    if error.get_ref().is_some_and(|inner| inner.is::<ImageError>()) {
        return super::from_io("the folder", error);
    }
    space::full_or(ImageError::file("copy", path, error))
}
