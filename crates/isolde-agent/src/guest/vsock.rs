//! The line as a virtio socket.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

/// The host's address, `VMADDR_CID_HOST` of linux/vm_sockets.h.
const HOST: u32 = 2;

/// The device appears within milliseconds; an emulated CPU on a busy host needs
/// longer. The host has its own deadline.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(1);

/// `struct sockaddr_vm` of linux/vm_sockets.h.
#[repr(C)]
struct Address {
    family: u16,
    reserved: u16,
    port: u32,
    context: u32,
    flags: u8,
    zero: [u8; 3],
}

// SAFETY: the address is a `repr(C)` value without padding that lives through the
// call, and its length is its own.
unsafe impl SocketAddrArg for Address {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        f(std::ptr::from_ref(self).cast(), size_of::<Self>() as SocketAddrLen)
    }
}

/// Connects to a port of the host, as soon as there is a device.
pub(super) fn connect_to_host(port: u32) -> io::Result<File> {
    let deadline = Instant::now() + PATIENCE;
    let family = AddressFamily::VSOCK.as_raw();
    let address = Address { family, reserved: 0, port, context: HOST, flags: 0, zero: [0; 3] };
    loop {
        let socket =
            socket_with(AddressFamily::VSOCK, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        match connect(&socket, &address) {
            Ok(()) => return Ok(socket.into()),
            // No device yet, or one that is just being reset by a thaw.
            Err(Errno::NODEV | Errno::NETUNREACH | Errno::CONNRESET | Errno::TIMEDOUT)
                if Instant::now() < deadline =>
            {
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
