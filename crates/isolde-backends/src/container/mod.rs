//! `container`: an OCI container made by a runtime inside this program, the
//! `libcontainer` crate. It needs no daemon and nothing installed.
//!
//! # Against Docker's defaults
//!
//! The same: namespaces (pid, mount, ipc, uts, network, cgroup), root user with
//! a bounded capability set, masked and read-only paths of /proc and /sys, the
//! device nodes of /dev and the controllers that count and limit.
//!
//! Different, and to be known when the two are compared:
//! - **No seccomp filter.** Docker filters; each system call costs a little more
//!   there, and more of the host kernel is exposed here.
//! - No AppArmor profile, where Docker uses one.
//! - `no_new_privileges` is on where the root file system is read-only.
//! - `CAP_MKNOD` is left out: on cgroup v2 there is no device filter here
//!   (it would need libbpf), on v1 there is.
//! - Of the files of /etc that Docker replaces, `resolv.conf` is the image's.
//! - No variables are handed down, not even `PATH`.
//! - Of the v1 controllers only those that Isolde uses are seen inside.
//!
//! # With a writable root
//!
//! The thread that makes the container gets a mount namespace of its own and
//! mounts an overlay of the image in it; the container's own namespace begins as
//! a copy of that one. So nothing is ever mounted on the host, the overlay goes
//! with the container, and this program may be killed at any moment. The root is
//! then as Docker's: writable everywhere, without file systems in memory on /tmp
//! and /run, and set-user-id programs work (`no_new_privileges` is off).
//!
//! # What is charged
//!
//! Docker's dockerd and shim are counted beside its container, so the work of
//! this runtime is counted as well, under the name `libcontainer`: the CPU of
//! the threads that create and start the container, and of its intermediate
//! process up to the moment at which it enters the container's cgroup (see
//! `account.rs`). What it does after that is charged to the cgroup by the kernel.
//! Tear-down is not counted, there as here.
//!
//! # When this program dies
//!
//! The kernel kills the container's first process with this program (its parent
//! death signal is set just before it becomes the agent), and all others with
//! the first. Cgroups and scratch folders stay and are `isolde clean`'s work.

mod account;
mod apart;
mod bundle;
mod create;
mod destroy;
mod executor;
mod kill;
mod loopback;
mod probe;
mod sandbox;
mod start;

use isolde_model::{EnvironmentName, Readiness};

use crate::{Backend, BackendError, RootForm, Sandbox, SandboxSpec};

/// A container without a daemon.
#[derive(Debug, Default)]
pub struct Container(());

impl Container {
    /// The back end.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Backend for Container {
    fn name(&self) -> EnvironmentName {
        EnvironmentName::new("container")
    }

    fn description(&self) -> &'static str {
        "a container made by Isolde itself, without a daemon"
    }

    fn probe(&self) -> Readiness {
        probe::probe()
    }

    fn root_form(&self) -> RootForm {
        RootForm::Directory
    }

    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        Ok(Box::new(create::create(spec)?))
    }
}
