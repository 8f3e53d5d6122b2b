//! The messages between host and sandbox, and what runs inside the sandbox.

pub mod cpuinfo;
pub mod guest;
