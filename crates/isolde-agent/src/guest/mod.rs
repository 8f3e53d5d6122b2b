//! The guest side of a virtual machine, where the agent is PID 1.
//!
//! `/init` of the initramfs (in `isolde-image`) has loaded drivers and started
//! this executable from the root disk, with /dev mounted. [`open_port`] gives
//! the line to the host, the caller writes the boot mark, and [`finish_boot`]
//! provides what was not needed for that byte.
//!
//! ```no_run
//! use std::io::Write;
//! use isolde_agent::guest;
//! if guest::is_first_process() {
//!     let mut line = guest::open_port().unwrap_or_else(|error| guest::give_up(&error));
//!     line.write_all(b"!").unwrap_or_else(|error| guest::give_up(&error));
//!     guest::finish_boot();
//!     // serve over the line
//!     guest::power_off()
//! }
//! ```

mod boot;
mod console;
mod reap;
mod surroundings;

use std::ffi::OsStr;
use std::io;

pub use boot::{end_with_host, finish_boot, give_up, open_port, power_off};
pub use reap::{Ended, reap_until};

/// What `/init` calls this executable. In a container the agent may be PID 1 as
/// well, so its number alone tells nothing.
const NAME_IN_VM: &str = "isolde-vm";

/// Whether this process is the first one of a virtual machine, told by its id
/// and by the name it was started under.
#[must_use]
pub fn is_first_process() -> bool {
    let name = std::env::args_os().next().unwrap_or_default();
    is_first(std::process::id(), &name)
}

fn is_first(pid: u32, name: &OsStr) -> bool {
    pid == 1 && name == NAME_IN_VM
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
    fn only_the_first_process_under_the_known_name_is_in_a_vm() {
        assert!(is_first(1, OsStr::new("isolde-vm")));
        assert!(!is_first(1, OsStr::new("/isolde")));
        assert!(!is_first(17, OsStr::new("isolde-vm")));
    }
}
