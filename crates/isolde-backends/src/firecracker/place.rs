//! The folder that one Firecracker runs in. All that it opens lies there under names
//! that are the same for every launch: a snapshot keeps the names, and no path is too
//! long for a socket or cannot be written in JSON.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::BackendError;
use crate::vmm::{Folder, Listener};

/// Its control socket.
pub(super) const API: &str = "api.sock";
/// The socket of its virtio socket device; the guest's ports get a suffix.
pub(super) const VSOCK: &str = "v.sock";
pub(super) const KERNEL: &str = "kernel";
pub(super) const INITRAMFS: &str = "initramfs";
/// The first disk.
pub(super) const ROOT: &str = "root";
/// The second, for what the guest writes.
pub(super) const UPPER: &str = "upper";
/// The machine without its memory, and that, of a snapshot.
pub(super) const STATE: &str = "state";
pub(super) const MEMORY: &str = "memory";

/// A folder for one Firecracker.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    sockets: Folder,
}

impl Place {
    /// In a folder that is there.
    pub(super) fn open(folder: &Path) -> Result<Self, BackendError> {
        Ok(Self { folder: folder.to_owned(), sockets: Folder::open(folder)? })
    }

    /// The folder, to start in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) const fn sockets(&self) -> &Folder {
        &self.sockets
    }

    /// Where a file of that name lies.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Lends a file of the host under `name`.
    pub(super) fn lend(&self, name: &str, file: &Path) -> Result<(), BackendError> {
        let link = self.path(name);
        std::path::absolute(file)
            .and_then(|file| symlink(file, &link))
            .map_err(|source| BackendError::file("make the link", link, source))
    }

    /// Takes the name of a file away that is open by now, so that its room is free as
    /// soon as Firecracker has ended.
    pub(super) fn unname(&self, name: &str) -> Result<(), BackendError> {
        let path = self.path(name);
        std::fs::remove_file(&path).map_err(|source| BackendError::file("remove", path, source))
    }

    /// Listens for a guest that connects to `port` of the host.
    pub(super) fn listen(&self, port: u32) -> Result<Listener, BackendError> {
        self.sockets.listen(&format!("{VSOCK}_{port}"))
    }
}
