//! The guest side of a virtual machine, where this executable is PID 1 twice.
//!
//! The kernel starts it as `/init` of the initramfs: [`stage_one`] loads drivers
//! and hands over to the same executable on the root disk. There it is the
//! agent: [`open_port`] gives the line to the host, the caller writes the boot
//! mark, and [`finish_boot`] mounts what was not needed for that byte.
//!
//! ```no_run
//! use isolde_agent::guest::{self, Role};
//! match guest::role() {
//!     Role::StageOne => guest::stage_one(),
//!     Role::StageTwo => {
//!         let line = guest::open_port();
//!         // write the boot mark
//!         guest::finish_boot();
//!         // serve over the line
//!         guest::power_off()
//!     }
//!     Role::NotInVm => { /* the program or the agent of another environment */ }
//! }
//! ```

mod console;
mod reap;
mod stage_one;
mod stage_two;

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

pub use reap::{Ended, reap_until};
pub use stage_one::stage_one;
pub use stage_two::{finish_boot, open_port, power_off};

/// Name of the virtio port that is the line to the host.
pub const PORT_NAME: &str = "isolde";

/// The kernel's name for the executable in the initramfs.
const STAGE_ONE_NAME: &str = "/init";

/// What stage one calls the executable on the root disk. In a container the
/// agent may be PID 1 as well, so its number alone tells nothing.
const STAGE_TWO_NAME: &str = "isolde-vm";

/// A device appears within milliseconds; an emulated CPU on a busy host needs
/// longer. The host has its own deadline.
const DEVICE_PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks for a device.
const DEVICE_PAUSE: Duration = Duration::from_millis(1);

/// What this process is for the virtual machine that it may run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// First process of the initramfs: call [`stage_one`].
    StageOne,
    /// First process on the root disk: call [`open_port`].
    StageTwo,
    /// Not the first process of a virtual machine.
    NotInVm,
}

/// What this process is, told by its id and by the name it was started under.
#[must_use]
pub fn role() -> Role {
    let name = std::env::args_os().next().unwrap_or_default();
    role_of(std::process::id(), &name)
}

fn role_of(pid: u32, name: &OsStr) -> Role {
    match (pid, name.to_str()) {
        (1, Some(STAGE_ONE_NAME)) => Role::StageOne,
        (1, Some(STAGE_TWO_NAME)) => Role::StageTwo,
        _ => Role::NotInVm,
    }
}

/// What keeps a guest from coming up.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {object}")]
pub struct GuestError {
    action: &'static str,
    object: String,
    source: io::Error,
}

impl GuestError {
    fn new(action: &'static str, object: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { action, object: object.into(), source: source.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_process_under_a_known_name_is_in_a_vm() {
        let role = |pid, name: &str| role_of(pid, OsStr::new(name));
        assert_eq!(role(1, "/init"), Role::StageOne);
        assert_eq!(role(1, "isolde-vm"), Role::StageTwo);
        assert_eq!(role(1, "/isolde"), Role::NotInVm);
        assert_eq!(role(17, "/init"), Role::NotInVm);
    }
}
