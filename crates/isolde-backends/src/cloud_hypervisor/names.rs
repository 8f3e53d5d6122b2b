//! What a machine is started from, by short names in the scratch folder, where the VMM
//! is started: paths of any length and any bytes do, although its configuration is
//! JSON and the name of a socket has 108 bytes at most. And without these names it
//! cannot start the machine a second time.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::{BackendError, SandboxSpec, vmm};

/// The kernel and its initramfs.
pub(super) const KERNEL: &str = "kernel";
pub(super) const INITRAMFS: &str = "initramfs";
/// The shared disk, and the launch's own that goes over it.
pub(super) const ROOT: &str = "root";
pub(super) const UPPER: &str = "upper";
/// The socket that the VMM makes for connections to the guest, which nobody uses; a
/// guest that connects to a port of the host's reaches the one of this name, `_` and
/// the port.
pub(super) const VSOCK: &str = "vsock";

/// Puts into the scratch folder what the machine is started from.
pub(super) fn lay_out(spec: &SandboxSpec) -> Result<(), BackendError> {
    let kernel = vmm::kernel(spec)?;
    link(&kernel.image, &spec.scratch.join(KERNEL))?;
    link(&kernel.initramfs, &spec.scratch.join(INITRAMFS))?;
    link(&spec.root, &spec.scratch.join(ROOT))?;
    if spec.writable_root {
        let room = spec.room.as_ref().ok_or_else(|| BackendError::Missing {
            what: "no disk for what the guest writes".into(),
            hint: "this is a mistake in Isolde: please report it".into(),
        })?;
        vmm::copy_sparse(room, &spec.scratch.join(UPPER))?;
    }
    Ok(())
}

fn link(file: &Path, name: &Path) -> Result<(), BackendError> {
    // A link is read from its own folder.
    let file = fs::canonicalize(file).map_err(|source| BackendError::file("find", file, source))?;
    symlink(file, name).map_err(|source| BackendError::file("make", name, source))
}

/// Takes the names away from a VMM that has opened everything.
pub(super) fn remove(scratch: &Path) -> Result<(), BackendError> {
    [KERNEL, INITRAMFS, ROOT, UPPER, VSOCK].iter().try_for_each(|name| {
        let path = scratch.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(BackendError::file("remove", path, error))
            }
            _ => Ok(()),
        }
    })
}
