//! The finished tree of a root file system, in memory: the layers of an image
//! one above the other, and what Isolde puts on top. Every form is written
//! from it.

mod apply;
mod node;

use std::path::Path;

use crate::layer::Index;
use crate::tree::Entry;
use crate::{ImageError, RootTree, Store};

pub(crate) use node::{Content, Kind, NodeId, Tree};

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
        let index = Index::read(&path, digest)?;
        apply::layer(&mut tree, number, index).map_err(|fault| fault.of(digest))?;
        paths.push(path);
    }
    for (path, entry) in root.entries() {
        put(&mut tree, path, entry)?;
    }
    Ok((tree, Layers(paths)))
}

/// Puts what Isolde brings on top of an image.
fn put(tree: &mut Tree, path: &Path, entry: &Entry) -> Result<(), ImageError> {
    match entry {
        Entry::Folder { mode } => apply::ensure_folder(tree, path, *mode),
        Entry::File { source, mode, bytes, hash } => {
            let content = Content::Host { source: source.clone(), hash: *hash };
            apply::host_file(tree, path, *mode, *bytes, content)
        }
    }
    .map_err(|reason| ImageError::TreePath { path: Path::new("/").join(path), reason })
}

#[cfg(test)]
mod tests;
