//! Images on their way into the cache: from everything that real tools write,
//! and from what is broken or forged.
//!
//! What needs a tool that is not installed is skipped with the reason.

#![expect(clippy::unwrap_used, reason = "a rig that cannot be set fails its test")]

mod bad;
mod cache;
mod registry;
mod rig;
mod sources;
