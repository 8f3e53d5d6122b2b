//! `/init` of the initramfs: from a bare kernel to the agent on the root disk.
//!
//! An executable of its own, compiled by the build script of `isolde-image`
//! and carried inside the program: the whole program as `/init` would have to
//! be unpacked into memory by every guest before its first instruction, which
//! costs 4 % of an emulated guest's start for each 10 MB. It uses the standard
//! library alone, so that the build script needs nothing but the compiler.

use std::convert::Infallible;
use std::ffi::{CStr, OsString, c_char, c_int, c_long, c_ulong, c_void};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

unsafe extern "C" {
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

// From linux/mount.h and asm/unistd.h; the same since each was introduced.
const MS_RDONLY: c_ulong = 1;
const MS_NOSUID: c_ulong = 2;
const MS_NOATIME: c_ulong = 1024;
const MS_MOVE: c_ulong = 8192;
const SYS_FINIT_MODULE: c_long = if cfg!(target_arch = "x86_64") { 313 } else { 273 };

/// The first disk of the machine, and the second, which is there for an overlay.
const ROOT_DISK: &CStr = c"/dev/vda";
const UPPER_DISK: &CStr = c"/dev/vdb";

/// The kernel hands parameters that it does not know to its first process as
/// variables (`GuestParameters` in isolde-model). With this one the host says that the
/// root disk is this launch's own, or that the second disk goes over it.
const ROOT_PARAMETER: &str = "ISOLDE_ROOT";
const WRITABLE: &str = "rw";
const OVERLAY: &str = "overlay";

/// Parameters that the agent is told.
const AGENT_PARAMETERS: [&str; 3] = ["ISOLDE_LINE", "ISOLDE_END", "ISOLDE_REST"];

/// Modules, named in the order in which they are loaded, and those of overlayfs.
const MODULES: &str = "/modules";
const OVERLAY_MODULES: &str = "/overlay";

/// The agent on the root disk. By the name it is started under it knows that
/// it is the first process of a virtual machine: `isolde_agent::guest`.
const AGENT: &str = "/isolde";
const AGENT_NAME: &str = "isolde-vm";
const AGENT_ARGUMENT: &str = "agent";

/// A disk appears within milliseconds; an emulated CPU on a busy host needs
/// longer. The host has its own deadline.
const DISK_PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks for the disk.
const DISK_PAUSE: Duration = Duration::from_millis(1);

/// Where it fails it says why on the console and ends, upon which the kernel
/// panics and the machine ends.
fn main() {
    let Err((what, error)) = hand_over();
    report(what, &error);
    std::process::exit(1)
}

type Failure = (&'static str, io::Error);

fn hand_over() -> Result<Infallible, Failure> {
    mount_at(c"devtmpfs", c"/dev", c"devtmpfs", MS_NOSUID)
        .map_err(|error| ("mount /dev", error))?;
    load_modules(MODULES);
    mount_root().map_err(|error| ("mount the root disk", error))?;
    free_initramfs().unwrap_or_else(|error| report("free the initramfs", &error));
    switch_root().map_err(|error| ("switch to the root disk", error))?;
    Err(("start the agent", become_agent()))
}

fn mount_at(source: &CStr, target: &CStr, kind: &CStr, flags: c_ulong) -> io::Result<()> {
    mount_with(source, target, kind, flags, c"")
}

fn mount_with(
    source: &CStr,
    target: &CStr,
    kind: &CStr,
    flags: c_ulong,
    options: &CStr,
) -> io::Result<()> {
    // SAFETY: the four strings end with a zero byte and live through the call, which
    // reads text of the options.
    let result = unsafe {
        mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A module that does not load may not be needed: whether it was shows when the
/// root disk or the port does not appear.
fn load_modules(folder: &str) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut modules: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    modules.sort();
    for path in modules {
        load(&path).unwrap_or_else(|error| report(&format!("load {}", path.display()), &error));
    }
}

fn load(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let (parameters, flags): (&CStr, c_int) = (c"", 0);
    // SAFETY: finit_module takes an open descriptor, a string that ends with a
    // zero byte, and flags; all three live through the call.
    let result = unsafe { syscall(SYS_FINIT_MODULE, file.as_raw_fd(), parameters.as_ptr(), flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn mount_root() -> io::Result<()> {
    let told = std::env::var_os(ROOT_PARAMETER).unwrap_or_default();
    if told == OVERLAY {
        return mount_overlay();
    }
    let flags = if told == WRITABLE { MS_NOATIME } else { MS_RDONLY | MS_NOATIME };
    mount_disk(ROOT_DISK, c"/root", flags)
}

/// The first disk below, the second, an empty file system, above.
fn mount_overlay() -> io::Result<()> {
    load_modules(OVERLAY_MODULES);
    mount_disk(ROOT_DISK, c"/lower", MS_RDONLY | MS_NOATIME)?;
    mount_disk(UPPER_DISK, c"/upper", MS_NOATIME)?;
    fs::create_dir("/upper/work")?;
    fs::create_dir("/upper/files")?;
    // The root folder itself is seen as it is above.
    let root = fs::metadata("/lower")?;
    chown("/upper/files", Some(root.uid()), Some(root.gid()))?;
    fs::set_permissions("/upper/files", root.permissions())?;
    let options = c"lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work";
    mount_with(c"overlay", c"/root", c"overlay", MS_NOATIME, options)
}

/// Mounts a disk as soon as it is there.
fn mount_disk(disk: &CStr, place: &CStr, flags: c_ulong) -> io::Result<()> {
    const ENXIO: i32 = 6;
    let deadline = Instant::now() + DISK_PATIENCE;
    loop {
        match mount_at(disk, place, c"ext4", flags) {
            Err(error)
                if (error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(ENXIO))
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(DISK_PAUSE);
            }
            result => return result,
        }
    }
}

/// Gives the memory of the initramfs' files back, so that the application finds
/// as much of it as in other environments. This executable's own pages go with
/// the exec that follows.
fn free_initramfs() -> io::Result<()> {
    fs::remove_dir_all(MODULES)?;
    fs::remove_dir_all(OVERLAY_MODULES)?;
    fs::remove_file("/init")
}

/// Makes the root disk the root, with /dev on it.
fn switch_root() -> io::Result<()> {
    mount_at(c"/dev", c"/root/dev", c"", MS_MOVE)?;
    std::env::set_current_dir("/root")?;
    mount_at(c".", c"/", c"", MS_MOVE)?;
    std::os::unix::fs::chroot(".")?;
    std::env::set_current_dir("/")
}

/// Only returns when it failed. No variables are handed on: the other
/// environments have none of the kernel's either.
fn become_agent() -> io::Error {
    let told = AGENT_PARAMETERS.iter().filter_map(|name| {
        let mut parameter = OsString::from(format!("{name}="));
        parameter.push(std::env::var_os(name)?);
        Some(parameter)
    });
    Command::new(AGENT).arg0(AGENT_NAME).arg(AGENT_ARGUMENT).args(told).env_clear().exec()
}

/// Tells the kernel's log, which shows it on the console: `<2>`, critical, is
/// shown in spite of `quiet` (see printk in proc(5)).
fn report(what: &str, error: &io::Error) {
    let line = format!("<2>isolde: cannot {what}: {error}\n");
    let log = OpenOptions::new().write(true).open("/dev/kmsg");
    if log.and_then(|mut log| log.write_all(line.as_bytes())).is_err() {
        // Before /dev is there, the console that the kernel opened for us is
        // the only way out; if that fails as well, nobody can be told.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}
