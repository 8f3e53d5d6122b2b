//! `process`: nothing but a cgroup. The baseline.
//!
//! # With a writable root
//!
//! An image's programs expect their own files below `/`. So the process gets a
//! mount namespace with an overlay of the image in it and makes that its root
//! (chroot(2)), with the host's /proc, /sys and /dev and a /dev/shm of its own.
//! It stays a bare process: it shares the host's processes, network, host name
//! and users, keeps all capabilities, and no filter looks at its system calls.
//!
//! Namespace and chroot cost nothing once it runs: a path is walked from another
//! starting point, and every process of the host is in some mount namespace
//! anyway. What is left is the overlay below its files, which containers have as
//! well. Making the mounts takes this program about a millisecond of CPU, which is
//! counted beside the cgroup under the name `isolde`.
//!
//! The overlay goes with the last process in the namespace. What was written
//! lies in the scratch folder, which `isolde clean` finds.

mod sandbox;
mod view;

use isolde_model::{EnvironmentName, Readiness, Ready};

use crate::cgroup;
use crate::{Backend, BackendError, RootForm, Sandbox, SandboxSpec};

/// A process of the host in a cgroup of its own.
#[derive(Debug, Default)]
pub struct Process(());

impl Process {
    /// The back end.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Backend for Process {
    fn name(&self) -> EnvironmentName {
        EnvironmentName::new("process")
    }

    fn description(&self) -> &'static str {
        "a process of the host, nothing but a cgroup"
    }

    fn probe(&self) -> Readiness {
        match cgroup::check_permission() {
            Ok(version) => Readiness::Ready(Ready {
                version: format!("cgroup {version}"),
                emulated: false,
                note: None,
            }),
            Err(missing) => Readiness::Missing(missing),
        }
    }

    fn root_form(&self) -> RootForm {
        RootForm::Directory
    }

    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        spec.cgroup.limit_memory(spec.memory)?;
        Ok(Box::new(sandbox::ProcessSandbox::new(spec)))
    }
}
