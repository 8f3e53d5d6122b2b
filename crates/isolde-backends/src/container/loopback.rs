//! Bringing the loopback up in a network namespace that was just made, as
//! Docker's runtime does: a server on 127.0.0.1 is found there.

use std::ffi::c_short;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{Opcode, Setter, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

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

/// Moves the calling thread into the network namespace of the process `pid` and
/// brings the loopback up there. The thread stays in it.
pub(super) fn raise(pid: i32) -> io::Result<()> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut name = [0; 16];
    name[..2].copy_from_slice(b"lo");
    let request = InterfaceFlags { name, flags: IS_UP, rest: [0; 22] };
    // SAFETY: this request reads one `struct ifreq`, which the value is.
    unsafe { ioctl(&socket, Setter::<SET_INTERFACE_FLAGS, _>::new(request)) }?;
    Ok(())
}
