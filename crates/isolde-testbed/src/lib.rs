//! The test bed: an emulated edge device whose CPU offers virtualization, so that
//! every environment can be tried on a machine that cannot run it itself.
//!
//! The device is QEMU with everything in software, a small Debian made by
//! [`build`], and this program in it. What is measured there is marked as emulated.
//! Nothing here prints.

mod build;
mod deterministic;
mod device;
mod error;
mod recipe;
mod results;
mod shell;
mod ustar;

pub use build::{Built, build, find};
pub use deterministic::{Deterministic, Recorded};
pub use device::{Command, Device, FOLDER, Outcome, Outlets};
pub use error::TestbedError;
pub use recipe::Recipe;
pub use results::{Archive, Limits};
pub use shell::{Size, TerminalPorts, Window, terminal};
