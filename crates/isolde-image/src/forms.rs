//! The tree as a directory and as a tar archive.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::tree::{Entry, copy_checked};
use crate::{ImageError, RootTree};

/// Mode of the root folder itself.
const ROOT_MODE: u32 = 0o755;

/// Writes the tree as the new directory `root`.
pub(crate) fn write_directory(tree: &RootTree, root: &Path) -> Result<(), ImageError> {
    make_folder(root, ROOT_MODE)?;
    for (path, entry) in tree.entries() {
        let path = root.join(path);
        match entry {
            Entry::Folder { mode } => make_folder(&path, *mode)?,
            Entry::File { source, mode, hash, .. } => {
                let write = |error| ImageError::file("write", &path, error);
                let mut file = File::create_new(&path).map_err(write)?;
                copy_checked(source, hash, &mut file)?;
                file.set_permissions(Permissions::from_mode(*mode)).map_err(write)?;
                own(&path)?;
                file.set_modified(UNIX_EPOCH).map_err(write)?;
                // The name must not outlive a power cut without the content.
                file.sync_all().map_err(write)?;
            }
        }
    }
    Ok(())
}

fn make_folder(path: &Path, mode: u32) -> Result<(), ImageError> {
    let make = |error| ImageError::file("make", path, error);
    fs::DirBuilder::new().mode(0o700).create(path).map_err(make)?;
    // Not by `create`: the umask would take bits away.
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(make)?;
    own(path)
}

/// Gives the file to root's group as well, whatever a set-gid parent says. Only
/// root can; a directory made by somebody else keeps its owner.
fn own(path: &Path) -> Result<(), ImageError> {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(0), Some(0)).map_err(|error| ImageError::file("own", path, error))?;
    }
    Ok(())
}

/// Whether a directory made from the tree still has its paths, modes and sizes,
/// and nothing besides. Sandboxes share it read-only; a stray write by one of
/// them must not reach the next.
pub(crate) fn is_intact(tree: &RootTree, root: &Path) -> bool {
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

/// Writes the tree as a tar archive in the order of its paths, owned by root,
/// with times of 1970.
pub(crate) fn write_tar(tree: &RootTree, path: &Path) -> Result<(), ImageError> {
    let write = |error| ImageError::file("write", path, error);
    let file = File::create_new(path).map_err(write)?;
    let mut archive = tar::Builder::new(std::io::BufWriter::new(file));
    for (name, entry) in tree.entries() {
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        match entry {
            Entry::Folder { mode } => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(*mode);
                header.set_size(0);
                archive.append_data(&mut header, name, std::io::empty()).map_err(write)?;
            }
            Entry::File { source, mode, bytes, hash } => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(*mode);
                header.set_size(*bytes);
                let mut content = Vec::new();
                copy_checked(source, hash, &mut content)?;
                archive.append_data(&mut header, name, content.as_slice()).map_err(write)?;
            }
        }
    }
    let mut file = archive.into_inner().map_err(write)?;
    file.flush().map_err(write)?;
    file.get_ref().sync_all().map_err(write)
}
