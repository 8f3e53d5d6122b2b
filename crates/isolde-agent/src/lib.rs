//! The messages between host and sandbox, and what runs inside the sandbox.
//!
//! Nothing here knows which back end made the sandbox; a virtual machine's
//! guest differs only in how it comes up and goes down.

pub mod cpuinfo;
mod digest;
pub mod guest;
pub mod inside;
pub mod protocol;

pub use digest::{digest_hex, output_digest};
