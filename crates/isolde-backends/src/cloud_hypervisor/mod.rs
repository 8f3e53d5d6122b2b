//! `cloud-hypervisor`: a microVM with PCI and ACPI, written in Rust, driven over its
//! HTTP API; the line to the agent is a virtio socket.
//!
//! The machine's memory is the limit, as for `vm`: what the VMM itself needs is a cost
//! of the isolation.
//!
//! Where the root may be written to, each launch gets a disk of its own with nothing but
//! room, over which overlayfs puts the shared one. That disk is a sparse file in the
//! scratch folder without a name once it is open.
//!
//! A guest that switches itself off ends the VMM with status 0. On a reset, which is
//! what a panicking kernel does, Cloud Hypervisor would boot the machine again. It
//! cannot: everything it was started from had a name in the scratch folder, and those
//! are gone as soon as the machine runs. It ends with status 1 instead, by itself,
//! without anybody watching.

mod command;
mod config;
mod names;
mod sandbox;
mod version;

use std::path::PathBuf;

use isolde_model::{Bus, EnvironmentName, GuestLine, GuestNeeds, KernelForm, Readiness, Ready};

use crate::{Backend, BackendError, RootForm, Sandbox, SandboxSpec, cgroup, vmm};
use version::{OLDEST, Version};

/// The program.
const PROGRAM: &str = "cloud-hypervisor";

/// Debian has no package of it.
const WHERE_FROM: &str = "put the static `cloud-hypervisor` of \
    https://github.com/cloud-hypervisor/cloud-hypervisor/releases on the PATH, under that name \
    and executable";

/// Cloud Hypervisor.
#[derive(Debug)]
pub struct CloudHypervisor {
    program: PathBuf,
}

impl CloudHypervisor {
    /// The one on the PATH.
    #[must_use]
    pub fn new() -> Self {
        Self::of(PROGRAM)
    }

    /// That of another name, or at a path of its own.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }
}

impl Default for CloudHypervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for CloudHypervisor {
    fn name(&self) -> EnvironmentName {
        EnvironmentName::new("cloud-hypervisor")
    }

    fn description(&self) -> &'static str {
        "a microVM: Cloud Hypervisor, with PCI and ACPI"
    }

    fn probe(&self) -> Readiness {
        let Some(program) = vmm::find(&self.program) else {
            let what = format!("{} is not installed", self.program.display());
            return Readiness::missing(what, WHERE_FROM);
        };
        let version = match vmm::version(&program, Version::parse) {
            Ok(version) => version,
            Err(error) => {
                let what = format!("{} does not start: {error}", program.display());
                return Readiness::missing(what, WHERE_FROM);
            }
        };
        if version.major < OLDEST {
            let what = format!("{} is {version}: too old", program.display());
            return Readiness::missing(what, format!("version {OLDEST} at least: {WHERE_FROM}"));
        }
        if let Err(missing) = vmm::check_kvm().and_then(|()| cgroup::check_permission()) {
            return Readiness::Missing(missing);
        }
        let version = format!("{PROGRAM} {version}, kvm");
        Readiness::Ready(Ready { version, ..Ready::default() })
    }

    fn root_form(&self) -> RootForm {
        RootForm::Ext4
    }

    fn guest(&self) -> Option<GuestNeeds> {
        Some(GuestNeeds {
            form: KernelForm::Elf,
            bus: Bus::Pci,
            line: GuestLine::Vsock,
            overlay: true,
        })
    }

    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        vmm::check_unused(&spec.root)?;
        names::lay_out(&spec)?;
        Ok(Box::new(sandbox::CloudHypervisorSandbox::new(self.program.clone(), spec)))
    }
}
