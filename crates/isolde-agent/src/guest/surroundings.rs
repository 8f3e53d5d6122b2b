//! What programs of Linux expect around them and no container engine is here to
//! provide. A problem with one of them is reported and the rest goes on.

use std::ffi::{CString, c_short};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use isolde_model::{
    HOST_NAME, LEVELLED_FILES, Limited, PROCESS_LIMITS, ProcessLimit, SHARED_MEMORY_BYTES,
};
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Setter, ioctl};
use rustix::mount::{MountFlags, mount};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::{Gid, Resource, Rlimit, setrlimit};
use rustix::system::sethostname;
use rustix::thread::set_thread_groups;

use super::{GuestError, console};

/// Mounts, links and settings that every application gets.
pub(super) fn provide() {
    report(mount_on("/proc", "proc", None));
    // A root that can be written to is as the image's maker left it.
    if is_read_only() {
        report(mount_on("/tmp", "tmpfs", Some("mode=1777".into())));
        report(mount_on("/run", "tmpfs", Some("mode=0755".into())));
    } else {
        report(level_files().map_err(|error| GuestError::new("write to", "/etc", error)));
    }
    furnish_dev();
    report(sethostname(HOST_NAME.as_bytes()).map_err(|error| named("the host name", error)));
    report(raise_loopback().map_err(|error| GuestError::new("bring up", "the loopback", error)));
    report(set_thread_groups(&[Gid::ROOT]).map_err(|error| named("the groups", error)));
    for limit in &PROCESS_LIMITS {
        report(set(limit).map_err(|error| named("a resource limit", error)));
    }
}

fn report(result: Result<(), GuestError>) {
    if let Err(error) = result {
        console::report(&error);
    }
}

fn named(what: &str, error: Errno) -> GuestError {
    GuestError::new("set", what, error)
}

fn is_read_only() -> bool {
    statvfs("/").is_ok_and(|root| root.f_flag.contains(StatVfsMountFlags::RDONLY))
}

pub(super) fn mount_on(place: &str, kind: &str, options: Option<String>) -> Result<(), GuestError> {
    let failed = |error: io::Error| GuestError::new("mount", place, error);
    let options = options.map(CString::new).transpose().map_err(|error| failed(error.into()))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    match mount(kind, place, kind, flags, options.as_deref()) {
        // Already mounted will do.
        Ok(()) | Err(Errno::BUSY) => Ok(()),
        Err(error) => Err(failed(error.into())),
    }
}

/// The folders and links of /dev that the kernel does not make itself, with the
/// options of Docker.
fn furnish_dev() {
    let mounts = [
        ("/dev/pts", "devpts", "mode=620,ptmxmode=666,gid=5".to_owned()),
        ("/dev/shm", "tmpfs", format!("mode=1777,size={SHARED_MEMORY_BYTES}")),
    ];
    for (place, kind, options) in mounts {
        report(
            make(place, fs::create_dir(place)).and_then(|()| mount_on(place, kind, Some(options))),
        );
    }
    let links = [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ];
    for (place, target) in links {
        report(make(place, symlink(target, place)));
    }
}

fn make(place: &str, made: io::Result<()>) -> Result<(), GuestError> {
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(GuestError::new("make", place, error))
        }
        _ => Ok(()),
    }
}

/// Puts the files of /etc that Docker puts over those of an image.
fn level_files() -> io::Result<()> {
    let etc = Path::new("/etc");
    fs::create_dir_all(etc)?;
    for (name, content) in LEVELLED_FILES {
        let path = etc.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::IsADirectory => continue,
            // What else is wrong shows with the next step.
            _ => {}
        }
        let mut file = fs::File::create_new(&path)?;
        file.write_all(content.as_bytes())?;
        file.set_permissions(Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// `struct ifreq` of linux/if.h as far as flags are concerned; the union that
/// ends it is 24 bytes long.
#[repr(C)]
struct InterfaceFlags {
    name: [u8; 16],
    flags: c_short,
    rest: [u8; 22],
}

/// `SIOCSIFFLAGS` of linux/sockios.h.
const SET_INTERFACE_FLAGS: Opcode = 0x8914;
/// `IFF_UP` of linux/if.h.
const IS_UP: c_short = 1;

/// A server on 127.0.0.1 shall be found.
fn raise_loopback() -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut name = [0; 16];
    name[..2].copy_from_slice(b"lo");
    let request = InterfaceFlags { name, flags: IS_UP, rest: [0; 22] };
    // SAFETY: this request reads one `struct ifreq`, which the value is.
    unsafe { ioctl(&socket, Setter::<SET_INTERFACE_FLAGS, _>::new(request)) }?;
    Ok(())
}

fn set(limit: &ProcessLimit) -> Result<(), Errno> {
    let resource = match limit.on {
        Limited::CoreDump => Resource::Core,
        Limited::LockedMemory => Resource::Memlock,
        Limited::OpenFiles => Resource::Nofile,
        Limited::PendingSignals => Resource::Sigpending,
        Limited::Processes => Resource::Nproc,
        Limited::Stack => Resource::Stack,
    };
    setrlimit(resource, Rlimit { current: limit.soft, maximum: limit.hard })
}
