//! The file tree that goes into every sandbox, whatever its form.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{Image, ImageError, Store, hashes};

/// Empty folders of every tree, to mount on or to write to. `/root` is not
/// among them: nothing needs it.
const FOLDERS: [(&str, u32); 5] =
    [("dev", 0o755), ("proc", 0o755), ("run", 0o755), ("sys", 0o755), ("tmp", 0o1777)];

/// Where the agent lies.
const AGENT: &str = "isolde";

/// A file tree: the agent as `/isolde`, folders to mount on, and files brought
/// along. Everything belongs to root; times are 1970. The files' contents are
/// hashed when they are added and checked when they are copied.
#[derive(Debug, Clone)]
pub struct RootTree {
    /// Layers of the image below everything else, the lowest first.
    layers: Vec<String>,
    /// By path relative to the root, so parents come before their children.
    entries: BTreeMap<PathBuf, Entry>,
    /// Free room of its images, for what an application writes.
    room_bytes: u64,
    /// Remembers hashes.
    store: Option<Store>,
}

/// Enough for what an application writes in one launch. It costs no space until
/// then.
const ROOM_BYTES: u64 = 1 << 30;

#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Folder { mode: u32 },
    File { source: PathBuf, mode: u32, bytes: u64, hash: [u8; 32] },
}

impl RootTree {
    /// A tree with the executable at `agent` (`/proc/self/exe` will do) in it.
    ///
    /// # Errors
    /// That it cannot be read.
    pub fn new(agent: &Path) -> Result<Self, ImageError> {
        Self::make(agent, None)
    }

    /// The same with hashes remembered in `store`.
    ///
    /// # Errors
    /// That it cannot be read.
    pub fn with_store(agent: &Path, store: &Store) -> Result<Self, ImageError> {
        Self::make(agent, Some(store.clone()))
    }

    /// The tree of `image`, with the agent and the folders to mount on above it.
    ///
    /// # Errors
    /// That the executable cannot be read.
    pub fn of_image(agent: &Path, image: &Image, store: &Store) -> Result<Self, ImageError> {
        let tree = Self::make(agent, Some(store.clone()))?;
        Ok(Self { layers: image.layers.clone(), ..tree }.with_room())
    }

    /// Nothing but the files of `image`.
    #[must_use]
    pub fn bare(image: &Image) -> Self {
        let (layers, entries) = (image.layers.clone(), BTreeMap::new());
        Self { layers, entries, room_bytes: 0, store: None }.with_room()
    }

    /// No files at all, only free room for what an application writes.
    #[must_use]
    pub fn room() -> Self {
        Self { layers: Vec::new(), entries: BTreeMap::new(), room_bytes: 0, store: None }
            .with_room()
    }

    /// The same with free room for what an application writes.
    #[must_use]
    pub fn with_room(self) -> Self {
        Self { room_bytes: ROOM_BYTES, ..self }
    }

    fn make(agent: &Path, store: Option<Store>) -> Result<Self, ImageError> {
        let mut entries: BTreeMap<PathBuf, Entry> = FOLDERS
            .iter()
            .map(|&(name, mode)| (PathBuf::from(name), Entry::Folder { mode }))
            .collect();
        entries.insert(AGENT.into(), file_entry(agent, Some(0o755), store.as_ref())?);
        Ok(Self { layers: Vec::new(), entries, room_bytes: 0, store })
    }

    /// Brings the host's file `source` along as `destination`, an absolute path
    /// in the tree; missing parents are made. It keeps whether it is
    /// executable: its mode becomes 0755 or 0644.
    ///
    /// # Errors
    /// That it cannot be read, or that the destination is taken or not a plain
    /// absolute path.
    pub fn add_file(&mut self, source: &Path, destination: &Path) -> Result<(), ImageError> {
        let refuse = |reason| Err(ImageError::TreePath { path: destination.to_owned(), reason });
        let Ok(relative) = destination.strip_prefix("/") else {
            return refuse("it must be absolute");
        };
        if relative.as_os_str().is_empty()
            || !relative.components().all(|part| matches!(part, Component::Normal(_)))
        {
            return refuse("it must name a file, without `..`");
        }
        if self.entries.contains_key(relative) {
            return refuse("something else lies there");
        }
        let parents: Vec<&Path> =
            relative.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
        if parents.iter().any(|path| matches!(self.entries.get(*path), Some(Entry::File { .. }))) {
            return refuse("a file lies where its folder would be");
        }
        let entry = file_entry(source, None, self.store.as_ref())?;
        for parent in parents {
            self.entries.entry(parent.to_owned()).or_insert(Entry::Folder { mode: 0o755 });
        }
        self.entries.insert(relative.to_owned(), entry);
        Ok(())
    }

    /// SHA-256 in hex over the canonical listing: the text
    /// `isolde root tree 2\n`, the number of layers as u64 and the hexadecimal
    /// digest of each, the free room in bytes as u64, then for each entry that
    /// lies above the layers, in byte order of its path, one byte for the kind
    /// (`d`, `f`), the path's length as u64, the path, the mode as u32, and for
    /// files the SHA-256 of the content; integers are little-endian. Equal for
    /// every form of the tree.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"isolde root tree 2\n");
        hash.update((self.layers.len() as u64).to_le_bytes());
        for layer in &self.layers {
            hash.update(layer);
        }
        hash.update(self.room_bytes.to_le_bytes());
        for (path, entry) in &self.entries {
            let path = path.as_os_str().as_bytes();
            let (kind, mode, content) = match entry {
                Entry::Folder { mode } => (b"d", mode, None),
                Entry::File { mode, hash, .. } => (b"f", mode, Some(hash)),
            };
            hash.update(kind);
            hash.update((path.len() as u64).to_le_bytes());
            hash.update(path);
            hash.update(mode.to_le_bytes());
            hash.update(content.map_or(&[][..], |content| content));
        }
        hex(&hash.finalize())
    }

    /// Digests of the layers below, the lowest first.
    pub(crate) fn layers(&self) -> &[String] {
        &self.layers
    }

    /// Free room of its images, in bytes.
    pub(crate) const fn room_bytes(&self) -> u64 {
        self.room_bytes
    }

    /// Entries, parents first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_path(), entry))
    }
}

fn file_entry(
    source: &Path,
    mode: Option<u32>,
    store: Option<&Store>,
) -> Result<Entry, ImageError> {
    let read = |error| ImageError::file("read", source, error);
    let mut file = File::open(source).map_err(read)?;
    let metadata = file.metadata().map_err(read)?;
    if !metadata.is_file() {
        return Err(read(io::Error::other("it is not a plain file")));
    }
    let (bytes, hash) = hashes::of(&mut file, store).map_err(read)?;
    let mode = mode.unwrap_or(match metadata.permissions().mode() & 0o111 {
        0 => 0o644,
        _ => 0o755,
    });
    Ok(Entry::File { source: source.to_owned(), mode, bytes, hash })
}

/// Copies everything and gives the number of bytes and their SHA-256.
pub(crate) fn copy_hashed(
    from: &mut impl Read,
    to: &mut impl Write,
) -> io::Result<(u64, [u8; 32])> {
    let mut hash = Sha256::new();
    let mut total = 0;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok((total, hash.finalize().into())),
            length => {
                hash.update(&chunk[..length]);
                to.write_all(&chunk[..length])?;
                total += length as u64;
            }
        }
    }
}

/// Copies a tree's file to `to` and checks that it is still what was hashed.
pub(crate) fn copy_checked(
    source: &Path,
    expected: &[u8; 32],
    to: &mut impl Write,
) -> Result<(), ImageError> {
    let mut copy = || copy_hashed(&mut File::open(source)?, to);
    match copy() {
        Ok((_, found)) if found == *expected => Ok(()),
        Ok(_) => Err(ImageError::Changed { path: source.to_owned() }),
        Err(error) => Err(ImageError::file("copy", source, error)),
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_tells_content_paths_and_modes_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (one, same, other) = (file("one", "1"), file("same", "1"), file("other", "2"));
        let digest = |agent: &Path| RootTree::new(agent).unwrap().digest();
        assert_eq!(digest(&one), digest(&same));
        assert_ne!(digest(&one), digest(&other));
        let with = |source: &Path, at: &str| {
            let mut tree = RootTree::new(&one).unwrap();
            tree.add_file(source, Path::new(at)).unwrap();
            tree.digest()
        };
        assert_ne!(with(&other, "/bin/a"), with(&other, "/bin/b"));
        assert_ne!(with(&other, "/bin/a"), digest(&one));
        let plain = with(&other, "/bin/a");
        std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_ne!(with(&other, "/bin/a"), plain);
    }

    #[test]
    fn destinations_stay_inside_and_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let mut tree = RootTree::new(&file).unwrap();
        for bad in ["relative", "/", "/../up", "/a/../b", "/isolde", "/isolde/below", "/tmp"] {
            assert!(tree.add_file(&file, Path::new(bad)).is_err(), "{bad}");
        }
        tree.add_file(&file, Path::new("/bin/deep/tool")).unwrap();
        assert!(tree.entries().any(|(path, _)| path == Path::new("bin/deep")));
        assert!(tree.add_file(folder.path(), Path::new("/folder")).is_err());
    }
}
