//! The guest side of a virtual machine, where the agent is PID 1.
//!
//! `/init` of the initramfs (in `isolde-image`) has loaded drivers and started
//! this executable from the root disk, with /dev mounted. [`open_line`] gives
//! the line to the host, the caller writes the boot mark, and [`finish_boot`]
//! provides what was not needed for that byte. A guest that is to be frozen when it is
//! up finishes its boot first, and then has [`rest`].
//!
//! ```no_run
//! use std::io::Write;
//! use isolde_agent::guest;
//! if guest::is_first_process() {
//!     let told = isolde_model::GuestParameters::of_agent(std::env::args());
//!     let mut line = guest::open_line(&told).unwrap_or_else(|error| guest::give_up(&error));
//!     line.write_all(b"!").unwrap_or_else(|error| guest::give_up(&error));
//!     guest::finish_boot();
//!     // serve over the line
//!     guest::end_machine(told.end)
//! }
//! ```

mod boot;
mod console;
mod reap;
mod rest;
mod surroundings;
mod vsock;

use std::ffi::OsStr;
use std::io;

pub use boot::{end_machine, end_with_host, finish_boot, give_up, kernel_age_ns, open_line};
pub use reap::{Ended, reap_until};
pub use rest::{refresh, rest};

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
