//! The folder that one Firecracker runs in. All that it opens lies there under names
//! that are the same for every launch: a snapshot keeps the names, and no path is too
//! long for a socket or cannot be written in JSON.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::jail::{JAILER, Jail};
use super::program;
use crate::BackendError;
use crate::vmm::{self, Folder, Listener};

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
    program: PathBuf,
    folder: PathBuf,
    sockets: Folder,
    jail: Option<Jail>,
}

impl Place {
    /// For `program` in a folder that is there.
    pub(super) fn open(program: &Path, folder: &Path) -> Result<Self, BackendError> {
        let (program, folder) = (program.to_owned(), folder.to_owned());
        Ok(Self { program, sockets: Folder::open(&folder)?, folder, jail: None })
    }

    /// For `program` in a jail below `base`.
    pub(super) fn jailed(program: &Path, base: &Path, id: &str) -> Result<Self, BackendError> {
        let jailer = program::locate(JAILER).map_err(program::unfit)?;
        let jail = Jail::make(jailer, program, base, id)?;
        let place = Self::open(program, jail.root())?;
        Ok(Self { jail: Some(jail), ..place })
    }

    pub(super) const fn sockets(&self) -> &Folder {
        &self.sockets
    }

    /// The command that starts Firecracker here. Every line of its log costs time;
    /// errors are told anyway.
    pub(super) fn command(&self, id: &str) -> Result<Command, BackendError> {
        let arguments = ["--api-sock", API, "--level", "Error"];
        if let Some(jail) = &self.jail {
            return jail.command(arguments);
        }
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).args(["--id", id]).args(arguments);
        Ok(command)
    }

    /// Lends a file of the host under `name`.
    pub(super) fn lend(&mut self, name: &str, file: &Path) -> Result<(), BackendError> {
        let place = self.folder.join(name);
        if let Some(jail) = &mut self.jail {
            return jail.lend(file, &place);
        }
        std::path::absolute(file)
            .and_then(|file| symlink(file, &place))
            .map_err(|source| BackendError::file("make the link", place, source))
    }

    /// Puts a copy of an image there that Firecracker may write to.
    pub(super) fn copy(&self, name: &str, image: &Path) -> Result<(), BackendError> {
        let place = self.folder.join(name);
        vmm::copy_sparse(image, &place)?;
        self.give(&place)
    }

    /// Takes the name of a file away that is open by now, so that its room is free as
    /// soon as Firecracker has ended.
    pub(super) fn unname(&self, name: &str) -> Result<(), BackendError> {
        let path = self.folder.join(name);
        std::fs::remove_file(&path).map_err(|source| BackendError::file("remove", path, source))
    }

    /// Listens for a guest that connects to `port` of the host.
    pub(super) fn listen(&self, port: u32) -> Result<Listener, BackendError> {
        let name = format!("{VSOCK}_{port}");
        let listener = self.sockets.listen(&name)?;
        self.give(&self.folder.join(name))?;
        Ok(listener)
    }

    fn give(&self, place: &Path) -> Result<(), BackendError> {
        self.jail.as_ref().map_or(Ok(()), |jail| jail.give(place))
    }
}
