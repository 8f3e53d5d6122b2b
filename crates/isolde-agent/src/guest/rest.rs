//! A guest that is frozen when it is up and thawed once per launch: what every copy
//! of it would share without this, time and random numbers, is made its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use isolde_model::{READY_TO_REST, REST_PORT, Thaw};
use rustix::ioctl::{NoArg, Opcode, Setter, ioctl, opcode};
use rustix::time::{ClockId, Timespec, clock_settime};

use super::{GuestError, console, vsock};

/// Says that the guest may be frozen, and returns once it has been thawed: a thaw
/// resets the virtio socket, which ends the connection that this waits on.
///
/// # Errors
/// That the host does not listen.
pub fn rest() -> Result<(), GuestError> {
    let failed = |error| GuestError::new("connect to", "the host, to rest", error);
    let mut line = vsock::connect_to_host(REST_PORT).map_err(failed)?;
    line.write_all(&[READY_TO_REST]).map_err(failed)?;
    // However it ends, it has ended.
    let _ = line.read(&mut [0]);
    Ok(())
}

/// Takes the host's time and random numbers from `line`.
///
/// # Errors
/// That they do not come.
pub fn refresh(line: &mut File) -> Result<(), GuestError> {
    let mut told = [0; Thaw::BYTES];
    line.read_exact(&mut told)
        .map_err(|error| GuestError::new("learn", "the host's time", error))?;
    let Thaw { time_ns, seed } = Thaw::from_bytes(&told);
    let time = Timespec {
        tv_sec: time_ns.div_euclid(1_000_000_000),
        tv_nsec: time_ns.rem_euclid(1_000_000_000),
    };
    if let Err(error) = clock_settime(ClockId::Realtime, time) {
        console::report(&GuestError::new("set", "the clock", error));
    }
    if let Err(error) = stir(seed) {
        console::report(&GuestError::new("stir", "the random numbers", error));
    }
    Ok(())
}

/// `struct rand_pool_info` of linux/random.h with its bytes.
#[repr(C)]
struct Entropy {
    bits: i32,
    bytes: i32,
    seed: [u8; Thaw::SEED_BYTES],
}

/// `RNDADDENTROPY` and `RNDRESEEDCRNG` of linux/random.h.
const ADD_ENTROPY: Opcode = opcode::write::<[i32; 2]>(b'R', 0x03);
const RESEED: Opcode = opcode::none(b'R', 0x07);

/// Gives the kernel random numbers that no other copy of this guest has, and has it
/// use them at once.
fn stir(seed: [u8; Thaw::SEED_BYTES]) -> io::Result<()> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/random")?;
    let bytes = Thaw::SEED_BYTES as i32;
    let entropy = Entropy { bits: bytes * 8, bytes, seed };
    // SAFETY: the request reads a `struct rand_pool_info` and as many bytes behind it
    // as its second field says, which is what the value holds.
    unsafe { ioctl(&device, Setter::<ADD_ENTROPY, _>::new(entropy)) }?;
    // SAFETY: the request takes no argument.
    unsafe { ioctl(&device, NoArg::<RESEED>::new()) }?;
    Ok(())
}
