//! The finished tree of a root file system, in memory: the layers of an image
//! one above the other, and what Isolde puts on top. Every form is written
//! from it.

mod apply;
mod node;

use std::io::{Cursor, Read, Seek};
use std::path::Path;

use crate::layer::{self, LayerFault, read_entries};
use crate::tree::Entry;
use crate::{ImageError, RootTree, Store};

pub(crate) use node::{Content, HostFile, Kind, NodeId, Tree};

/// Where the bytes of layers are read from.
#[derive(Debug)]
pub(crate) struct Layers(Vec<std::path::PathBuf>);

impl Layers {
    /// The archive of a layer, by its number.
    pub(crate) fn path(&self, layer: u32) -> &Path {
        self.0.get(layer as usize).map_or(Path::new(""), |path| path)
    }
}

/// Puts `root` together from the layers in `store`.
pub(crate) fn merge(root: &RootTree, store: &Store) -> Result<(Tree, Layers), ImageError> {
    let mut tree = Tree::new();
    let mut paths = Vec::new();
    for (number, digest) in (0..).zip(root.layers()) {
        let path = store.layer(digest);
        let name = format!("layer {}", digest.get(..12).unwrap_or(digest));
        let (archive, bytes) = layer::open(&path)?;
        put_layer(&mut tree, number, archive, bytes).map_err(|fault| fault.of(&name))?;
        paths.push(path);
    }
    for (path, entry) in root.entries() {
        put(&mut tree, path, entry)?;
    }
    Ok((tree, Layers(paths)))
}

/// Puts layer number `number`, an archive of `bytes` bytes, upon the tree. What it
/// hides are files of lower layers only, wherever in the archive it says so: hence
/// twice through it, which is cheaper than to keep it in memory.
fn put_layer(
    tree: &mut Tree,
    number: u32,
    mut archive: impl Read + Seek,
    bytes: u64,
) -> Result<(), LayerFault> {
    if number > 0 {
        read_entries(&mut archive, bytes, &mut |entry| {
            apply::hide(tree, &entry);
            Ok(())
        })?;
        let rewound = archive.rewind();
        rewound.map_err(|error| LayerFault::archive(format!("it cannot be read: {error}")))?;
    }
    read_entries(archive, bytes, &mut |entry| apply::put(tree, number, entry))
}

/// Puts what Isolde brings on top of an image.
fn put(tree: &mut Tree, path: &Path, entry: &Entry) -> Result<(), ImageError> {
    match entry {
        Entry::Folder { mode } => apply::ensure_folder(tree, path, *mode),
        Entry::File { source, mode, bytes, hash } => {
            let file = HostFile { source: source.clone(), hash: *hash };
            apply::host_file(tree, path, *mode, *bytes, Content::Host(Box::new(file)))
        }
    }
    .map_err(|reason| ImageError::TreePath { path: Path::new("/").join(path), reason })
}

/// The tree of layers that are in memory, the lowest first.
fn merge_archives(archives: &[&[u8]]) -> Result<Tree, LayerFault> {
    let mut tree = Tree::new();
    for (number, archive) in (0..).zip(archives) {
        put_layer(&mut tree, number, Cursor::new(archive), archive.len() as u64)?;
    }
    Ok(tree)
}

/// Whether these tar archives, the lowest first, are layers that make a tree
/// and fit into an ext4 image. Touches no file: fit for a fuzzer.
///
/// # Errors
/// The first thing that is wrong with them, in words.
pub fn check_layers(archives: &[&[u8]]) -> Result<(), String> {
    let tree = merge_archives(archives).map_err(|fault| fault.to_string())?;
    crate::ext4::check(&tree).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
