//! `/init` of the initramfs: from a bare kernel to the executable on the root disk.

use std::convert::Infallible;
use std::ffi::CStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_move};
use rustix::process::{chdir, chroot};
use rustix::system::finit_module;

use super::{DEVICE_PATIENCE, DEVICE_PAUSE, GuestError, STAGE_ONE_NAME, STAGE_TWO_NAME, console};

/// The only disk of the machine.
const ROOT_DISK: &str = "/dev/vda";

/// Where the initramfs mounts it.
const ROOT: &str = "/root";

/// Modules of the initramfs, named in the order in which they are loaded.
const MODULES: &str = "/modules";

/// The executable on the root disk, and what makes it the agent.
const AGENT: &str = "/isolde";
const AGENT_ARGUMENT: &str = "agent";

/// Loads drivers, mounts the root disk, frees the initramfs and becomes the
/// agent on the root disk. Where that fails it says why on the console and
/// ends, upon which the kernel panics and the machine ends.
pub fn stage_one() -> ! {
    let Err(error) = hand_over();
    console::report(&error);
    std::process::exit(1)
}

fn hand_over() -> Result<Infallible, GuestError> {
    mount_devices()?;
    load_modules();
    mount_root()?;
    free_initramfs();
    switch_root()?;
    Err(become_agent())
}

fn mount_devices() -> Result<(), GuestError> {
    mount("devtmpfs", "/dev", "devtmpfs", MountFlags::NOSUID | MountFlags::NOEXEC, None)
        .map_err(|error| GuestError::new("mount", "/dev", error))
}

/// A module that does not load may not be needed: whether it was shows when the
/// root disk or the port does not appear.
fn load_modules() {
    let mut modules: Vec<_> =
        fs::read_dir(MODULES).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    modules.sort();
    for path in modules {
        if let Err(error) = load(&path) {
            console::report(&error);
        }
    }
}

fn load(path: &Path) -> Result<(), GuestError> {
    let explain = |error| GuestError::new("load", path.to_string_lossy(), error);
    let file = File::open(path).map_err(explain)?;
    const NO_PARAMETERS: &CStr = c"";
    match finit_module(&file, NO_PARAMETERS, 0) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(explain(error.into())),
    }
}

/// Mounts the root disk as soon as it is there.
fn mount_root() -> Result<(), GuestError> {
    let deadline = Instant::now() + DEVICE_PATIENCE;
    loop {
        match mount(ROOT_DISK, ROOT, "ext4", MountFlags::RDONLY | MountFlags::NOATIME, None) {
            Ok(()) => return Ok(()),
            Err(Errno::NOENT | Errno::NXIO | Errno::NODEV) if Instant::now() < deadline => {
                std::thread::sleep(DEVICE_PAUSE);
            }
            Err(error) => return Err(GuestError::new("mount", ROOT_DISK, error)),
        }
    }
}

/// Gives the memory of the initramfs' files back, so that the application finds
/// as much of it as in other environments. This executable's own pages go with
/// the exec that follows.
fn free_initramfs() {
    if let Err(error) = fs::remove_dir_all(MODULES).and_then(|()| fs::remove_file(STAGE_ONE_NAME)) {
        console::report(&GuestError::new("free", "the initramfs", error));
    }
}

/// Makes the root disk the root, with /dev on it.
fn switch_root() -> Result<(), GuestError> {
    let switch = || -> rustix::io::Result<()> {
        mount_move("/dev", "/root/dev")?;
        chdir(ROOT)?;
        mount_move(".", "/")?;
        chroot(".")?;
        chdir("/")
    };
    switch().map_err(|error| GuestError::new("switch to", ROOT_DISK, error))
}

/// Only returns when it failed. No variables are handed on: the other
/// environments have none of the kernel's either.
fn become_agent() -> GuestError {
    let error = Command::new(AGENT).arg0(STAGE_TWO_NAME).arg(AGENT_ARGUMENT).env_clear().exec();
    GuestError::new("start", AGENT, error)
}
