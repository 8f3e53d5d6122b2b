//! The command line as its users meet it: the real program, wrong input, hosts
//! on which something is missing or breaks, signals, and what is left behind.
//!
//! What cannot be tried here is skipped with its reason, unless
//! `ISOLDE_REQUIRE` (environments separated by commas) says that it must be.

#![expect(clippy::unwrap_used, reason = "a rig that cannot be set fails its test")]

mod exec;
mod host;
mod kernel;
mod output;
mod plan;
mod rig;
mod signals;
mod usage;
