//! The agent: what Isolde does inside a sandbox.

pub mod cpuinfo;
