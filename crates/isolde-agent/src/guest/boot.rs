//! Its line to the host first, the rest after.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use isolde_model::{GuestEnd, GuestLine, GuestParameters, LINE_PORT};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::system::{RebootCommand, reboot};
use rustix::time::{ClockId, clock_gettime};

use super::{GuestError, console, surroundings, vsock};

/// Name of the virtio port that is the line to the host.
const PORT_NAME: &str = "isolde";

/// The port appears within milliseconds; an emulated CPU on a busy host needs
/// longer. The host has its own deadline.
const PORT_PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks for the port.
const PORT_PAUSE: Duration = Duration::from_millis(1);

/// Where the kernel lists ports with their names.
const PORTS: &str = "/sys/class/virtio-ports";

/// Opens the line to the host, for reading and writing.
///
/// # Errors
/// That what carries it does not appear within a minute, or cannot be opened.
pub fn open_line(told: &GuestParameters) -> Result<File, GuestError> {
    match told.line {
        GuestLine::Port => open_port(),
        GuestLine::Vsock => vsock::connect_to_host(LINE_PORT)
            .map_err(|error| GuestError::new("connect to", "the host", error)),
    }
}

/// Nanoseconds since this kernel started its clock.
#[must_use]
pub fn kernel_age_ns() -> u64 {
    let age = clock_gettime(ClockId::Boottime);
    let (seconds, nanoseconds) = (age.tv_sec.unsigned_abs(), age.tv_nsec.unsigned_abs());
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// Opens the port to the host, for reading and writing. It mounts /sys, to
/// learn which of the ports it is, and nothing else: the first byte shall not
/// wait for what it does not need.
///
/// # Errors
/// That the port does not appear within a minute, or cannot be opened.
fn open_port() -> Result<File, GuestError> {
    surroundings::mount_on("/sys", "sysfs", None)?;
    let deadline = Instant::now() + PORT_PATIENCE;
    loop {
        if let Some(device) = find_port(Path::new(PORTS)) {
            match OpenOptions::new().read(true).write(true).open(&device) {
                Ok(port) => return Ok(port),
                // The node is there a moment before the port behind it.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => {}
                Err(error) => return Err(GuestError::new("open", device.to_string_lossy(), error)),
            }
        }
        if Instant::now() >= deadline {
            let error = io::Error::from(io::ErrorKind::TimedOut);
            return Err(GuestError::new("find", format!("the port {PORT_NAME}"), error));
        }
        std::thread::sleep(PORT_PAUSE);
    }
}

/// The device of the port with our name, once it has one.
fn find_port(ports: &Path) -> Option<PathBuf> {
    let ports = fs::read_dir(ports).into_iter().flatten().flatten();
    ports
        .filter(|port| {
            let name = fs::read_to_string(port.path().join("name"));
            name.is_ok_and(|name| name.trim() == PORT_NAME)
        })
        .map(|port| Path::new("/dev").join(port.file_name()))
        .find(|device| device.exists())
}

/// Ends the machine as soon as the host closes its end of `line`, from a thread
/// that sleeps until then. A write to a port without a host waits for one for ever,
/// so nothing else would end the machine.
pub fn end_with_host(line: &File, end: GuestEnd) {
    let watch = line.try_clone().and_then(|line| {
        let hung_up = move || {
            // Nothing but a hang-up is asked for; a socket's is an event of its own.
            let mut watched = [PollFd::new(&line, PollFlags::RDHUP)];
            while let Ok(0) | Err(Errno::INTR) = poll(&mut watched, None) {}
            end_machine(end)
        };
        std::thread::Builder::new().spawn(hung_up)
    });
    if let Err(error) = watch {
        console::report(&GuestError::new("watch", "the line", error));
    }
}

/// Provides what applications expect: /proc, the rest of /dev, the loopback, a
/// host name and the resource limits of every sandbox; on a read-only root /tmp
/// and /run in memory, on a writable one the files of /etc that container engines
/// replace. Problems are reported on the console.
pub fn finish_boot() {
    surroundings::provide();
}

/// Says on the console why the agent cannot go on, and ends. The kernel panics
/// when its first process ends, which ends the machine with a status that tells
/// it from a power-off.
pub fn give_up(why: &dyn std::error::Error) -> ! {
    console::report(why);
    std::process::exit(1)
}

/// Ends the machine. Everything that was written to the line has reached the host by
/// then: it says goodbye when it has it. What was written to the root disk is thrown
/// away, so nothing waits for it.
pub fn end_machine(end: GuestEnd) -> ! {
    let command = match end {
        GuestEnd::PowerOff => RebootCommand::PowerOff,
        GuestEnd::Reset => RebootCommand::Restart,
    };
    if let Err(error) = reboot(command) {
        console::report(&GuestError::new("end", "the machine", error));
    }
    // A panic ends the machine as well.
    std::process::exit(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_by_its_whole_name() {
        let ports = std::env::temp_dir().join(format!("isolde-ports-{}", std::process::id()));
        // `full` stands for a port, because /dev/full exists everywhere.
        for (port, name) in [("zero", "isolde-not\n"), ("full", "isolde\n"), ("null", "other\n")] {
            fs::create_dir_all(ports.join(port)).unwrap();
            fs::write(ports.join(port).join("name"), name).unwrap();
        }
        fs::create_dir_all(ports.join("nameless")).unwrap();
        assert_eq!(find_port(&ports), Some(PathBuf::from("/dev/full")));
        fs::remove_dir_all(&ports).unwrap();
        assert_eq!(find_port(&ports), None);
    }
}
