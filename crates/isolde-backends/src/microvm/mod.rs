//! `microvm`: libkrun, a VMM as a library, compiled into this program: a device with
//! KVM needs nothing else installed.
//!
//! libkrun takes its process over until the guest ends, so each machine is a child of
//! this program: the same executable in a role of its own ([`serve`]), in the
//! sandbox's cgroup, handed open files and no path. libkrun's parts are put together
//! here and not by its own crate, because that one loads a library of the host
//! (libkrunfw), which a static program cannot, tells of a failure nothing but a
//! number, and never returns to say that the vCPUs run.
//!
//! The machine has one disk, or two where the root can be written to; a console port
//! that is the line; a serial console; and what libkrun adds to every machine: a
//! random number generator and a balloon, which no guest uses. No network, no files of
//! the host.
//!
//! The machine's memory is the limit: the child's cgroup has none, because what a VMM
//! needs beside the guest is a cost of the isolation.
//!
//! libkrun ends with status 0 however the guest ends its machine: a panic is known by
//! what the kernel says of it on the console.

mod ends;
mod machine;
mod order;
mod role;
mod sandbox;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use isolde_model::{Bus, EnvironmentName, GuestLine, GuestNeeds, KernelForm, Readiness, Ready};

use crate::{Backend, BackendError, RootForm, Sandbox, SandboxSpec, cgroup, vmm};
pub use role::{ROLE, serve};

/// libkrun's release, as `Cargo.toml` names it.
const VERSION: &str = "1.19.7";

/// The embedded VMM.
#[derive(Debug, Default)]
pub struct Microvm;

impl Microvm {
    /// The back end.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// The executable that plays the role [`ROLE`] is `path` and not this process's own:
/// for programs, such as tests, that do not. The first call of a process counts.
pub fn set_program(path: &Path) {
    let _ = PROGRAM.set(path.to_owned());
}

fn program() -> &'static Path {
    PROGRAM.get().map_or_else(|| Path::new("/proc/self/exe"), PathBuf::as_path)
}

impl Backend for Microvm {
    fn name(&self) -> EnvironmentName {
        EnvironmentName::new("microvm")
    }

    fn description(&self) -> &'static str {
        "a microVM with nothing to install: libkrun, compiled in"
    }

    fn probe(&self) -> Readiness {
        if let Err(missing) = vmm::check_kvm() {
            return Readiness::Missing(missing);
        }
        if let Err(missing) = cgroup::check_permission() {
            return Readiness::Missing(missing);
        }
        let version = format!("libkrun {VERSION}");
        Readiness::Ready(Ready { version, emulated: false, note: None })
    }

    fn root_form(&self) -> RootForm {
        RootForm::Ext4
    }

    fn guest(&self) -> Option<GuestNeeds> {
        Some(GuestNeeds {
            form: KernelForm::Elf,
            bus: Bus::MmioByParameter,
            line: GuestLine::Port,
            overlay: true,
        })
    }

    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        vmm::check_unused(&spec.root)?;
        Ok(Box::new(sandbox::KrunSandbox::new(spec, program())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_crates() {
        let lock = include_str!("../../../../Cargo.lock");
        let entry = format!("name = \"krun-vmm\"\nversion = \"0.1.0-{VERSION}\"");
        assert!(lock.contains(&entry));
    }
}
