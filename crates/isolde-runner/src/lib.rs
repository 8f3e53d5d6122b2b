//! Order, deadlines, host accounting, tear-down and the writing of the bundle.
//!
//! Nothing here prints, and no statistics are made here: what happens is told
//! to a listener as [`isolde_model::Event`]s and kept in the bundle.

mod check;
mod collect;
mod error;
mod exec;
pub mod host;
mod interrupt;
mod launch;
mod line;
mod program;
mod provision;
mod run;
mod schedule;
mod static_program;
mod sweep;

pub use error::RunError;
pub use exec::{ExecRequest, ExecResult, exec};
pub use interrupt::Interrupt;
pub use provision::{KERNEL_INSTALL, Prepared, Provisions, Workplace};
pub use run::{Ended, Experiment, Roots, run};
pub use schedule::schedule;
pub use static_program::check_static;
pub use sweep::sweep;
