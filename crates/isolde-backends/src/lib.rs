//! Isolation technologies behind two traits.
//!
//! Nothing here knows of plans, statistics or how a root file system is made:
//! a back end names the [`RootForm`] it needs and is handed a path.

pub mod cgroup;
pub mod cloud_hypervisor;
pub mod container;
pub mod docker;
mod error;
pub mod fake;
pub mod firecracker;
pub mod kvm;
mod limits;
pub mod microvm;
mod overlay;
pub mod process;
pub mod qemu;
mod registry;
mod sandbox;
pub mod supervise;
mod vmm;

pub use error::BackendError;
pub use microvm::{ROLE as VMM_ROLE, serve as serve_as_vmm, set_program as set_vmm_program};
pub use registry::{all, find};
pub use sandbox::{Backend, Ending, GuestKernel, Line, RootForm, Sandbox, SandboxSpec, Swept};
