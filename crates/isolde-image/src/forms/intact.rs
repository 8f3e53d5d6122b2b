//! Whether a directory is still what was written.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::RootTree;
use crate::tree::Entry;

/// Whether a directory made from a tree without layers still has its paths,
/// modes and sizes, and nothing besides. Sandboxes share it read-only; a stray
/// write by one of them must not reach the next.
///
/// Directories of images are not looked through, which would take longer than
/// the launch of a sandbox: no sandbox gets them but below a layer of its own.
pub(crate) fn is_intact(tree: &RootTree, root: &Path) -> bool {
    if !tree.layers().is_empty() {
        return true;
    }
    let (mut found, mut expected) = (0, 0);
    count_below(root, &mut found);
    for (path, entry) in tree.entries() {
        expected += 1;
        let Ok(metadata) = fs::symlink_metadata(root.join(path)) else { return false };
        let mode = metadata.permissions().mode() & 0o7777;
        let equal = match entry {
            Entry::Folder { mode: wanted } => metadata.is_dir() && mode == *wanted,
            Entry::File { mode: wanted, bytes, .. } => {
                // Any write since has moved the time on from 1970.
                metadata.is_file()
                    && mode == *wanted
                    && metadata.size() == *bytes
                    && metadata.mtime() == 0
            }
        };
        if !equal {
            return false;
        }
    }
    found == expected
}

fn count_below(folder: &Path, count: &mut usize) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        *count += 1;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            count_below(&entry.path(), count);
        }
    }
}
