//! The command line as its users meet it: the real program, wrong input, hosts
//! on which something is missing or breaks, signals, and what is left behind.
//!
//! What cannot be tried here is skipped with its reason, unless
//! `ISOLDE_REQUIRE` (environments separated by commas, and `onnxruntime`) says that it
//! must be.

#![expect(clippy::unwrap_used, reason = "a rig that cannot be set fails its test")]

mod agent;
mod app;
mod app_image;
mod arrays;
mod exec;
mod host;
mod hostile;
mod image;
mod kernel;
mod model;
mod output;
mod plan;
mod program;
mod rig;
mod signals;
mod testbed;
mod usage;
mod vmm;
