//! An image in a form of its own, outside of the cache: for other tools, or to
//! look at. It holds the image's files and nothing of Isolde's.

mod bundle;

use std::fs;
use std::path::Path;
use std::str::FromStr;

use crate::merged::{Layers, Tree, merge};
use crate::store::HalfMade;
use crate::{Image, ImageError, RootTree, Store, ext4, forms};

/// Forms in which an image can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportForm {
    /// A folder with its files.
    Directory,
    /// An OCI bundle: `rootfs` and a `config.json` that runs it as its
    /// configuration says, for runc, crun, youki and runsc.
    Bundle,
    /// An ext4 image with 1 GiB of free room, without a journal.
    Ext4,
    /// A tar archive, as `docker import` takes it.
    Tar,
}

/// A form that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no form `{0}`: there are directory, bundle, ext4 and tar")]
pub struct UnknownForm(String);

impl FromStr for ExportForm {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        match text {
            "directory" => Ok(Self::Directory),
            "bundle" => Ok(Self::Bundle),
            "ext4" => Ok(Self::Ext4),
            "tar" => Ok(Self::Tar),
            _ => Err(UnknownForm(text.to_owned())),
        }
    }
}

/// Who runs the image's program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// Writes `image`, whose layers are in `store`, to the new file or folder
/// `place`, whole or not at all. `account` finds the image's user in the texts of
/// its `/etc/passwd` and `/etc/group`; only a bundle asks for it.
///
/// # Errors
/// That something is there already, that the image has no such user, or what
/// cannot be read or written.
pub fn export_image(
    store: &Store,
    image: &Image,
    form: ExportForm,
    place: &Path,
    account: &dyn Fn(&str, &str) -> Result<Account, String>,
) -> Result<(), ImageError> {
    let make = |error: std::io::Error| ImageError::file("make", place, error);
    if fs::symlink_metadata(place).is_ok() {
        return Err(make(std::io::ErrorKind::AlreadyExists.into()));
    }
    let parent = match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (tree, layers) = merge(&RootTree::bare(image), store)?;
    let half = HalfMade::new(parent);
    write(&tree, &layers, image, form, half.path(), account)?;
    fs::rename(half.path(), place).map_err(make)
}

fn write(
    tree: &Tree,
    layers: &Layers,
    image: &Image,
    form: ExportForm,
    path: &Path,
    account: &dyn Fn(&str, &str) -> Result<Account, String>,
) -> Result<(), ImageError> {
    match form {
        ExportForm::Directory => forms::write_directory(tree, layers, path),
        ExportForm::Bundle => bundle::write(tree, layers, image, path, account),
        ExportForm::Tar => forms::write_tar(tree, layers, path),
        ExportForm::Ext4 => {
            let room = ext4::Room { bytes: RootTree::bare(image).room_bytes() };
            ext4::write(tree, layers, room, path)
        }
    }
}
