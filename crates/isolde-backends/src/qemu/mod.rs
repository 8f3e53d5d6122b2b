//! `vm`: a full virtual machine: QEMU with the PC of its time (q35) or arm64's
//! `virt` machine, virtio devices, and a kernel of its own. `qemu-microvm`: the same
//! QEMU as a microVM: a machine of its own without PCI and with little else.
//!
//! The machine's memory is the limit: the cgroup of QEMU has none, because what
//! QEMU itself needs beside the guest is a cost of the isolation, to be counted
//! and not to be taken from the guest.
//!
//! Where the root may be written to, the launches still share one disk image: what
//! a guest writes goes to a file of its own in the scratch folder, which has no
//! name any more once QEMU has opened it. A full disk is full for the guest alone.
//!
//! A guest that switches itself off ends with status 0; one that resets its
//! machine, as a panicking kernel does, with status 1.

mod command;
mod machine;
mod port;
mod qmp;
mod sandbox;

use std::sync::{Mutex, OnceLock, PoisonError};

use isolde_model::{EnvironmentName, GuestLine, GuestNeeds, KernelForm, Readiness, Ready};

use crate::{Backend, BackendError, RootForm, Sandbox, SandboxSpec, cgroup, kvm, vmm};
use machine::{Accelerator, FULL, MICROVM, Machine, PACKAGE, PROGRAM, TESTBED};
pub use port::{Port, PortKind};

/// QEMU as one of its machines.
#[derive(Debug)]
pub struct Qemu {
    name: &'static str,
    description: &'static str,
    machine: &'static Machine,
    accelerator: OnceLock<Accelerator>,
    /// Those of the next machine that is made.
    ports: Mutex<Vec<Port>>,
}

impl Qemu {
    /// The full virtual machine.
    #[must_use]
    pub const fn vm() -> Self {
        let description = "a full virtual machine: QEMU with virtio devices";
        Self::new("vm", description, FULL)
    }

    /// The microVM.
    #[must_use]
    pub const fn microvm() -> Self {
        let description = "a microVM: QEMU's machine without PCI and firmware tables of a PC";
        Self::new("qemu-microvm", description, MICROVM)
    }

    /// A whole device in software, whose CPU offers virtualization: the first machine
    /// that is made gets the ports. Always emulated, also where KVM would do, so that
    /// it is the same on every host. None of the registry's environments.
    #[must_use]
    pub fn testbed(ports: Vec<Port>) -> Self {
        let description = "an emulated device with virtualization";
        let why = "the test bed is the same on every host".to_owned();
        Self {
            accelerator: OnceLock::from(Accelerator::Tcg(why)),
            ports: Mutex::new(ports),
            ..Self::new("testbed", description, TESTBED)
        }
    }

    const fn new(name: &'static str, description: &'static str, machine: &'static Machine) -> Self {
        Self {
            name,
            description,
            machine,
            accelerator: OnceLock::new(),
            ports: Mutex::new(Vec::new()),
        }
    }

    fn accelerator(&self) -> &Accelerator {
        self.accelerator.get_or_init(|| Accelerator::choose(&kvm::probe()))
    }
}

impl Backend for Qemu {
    fn name(&self) -> EnvironmentName {
        EnvironmentName::new(self.name)
    }

    fn description(&self) -> &'static str {
        self.description
    }

    fn probe(&self) -> Readiness {
        if self.machine == MICROVM && !cfg!(target_arch = "x86_64") {
            let what = "QEMU has no microvm machine for this architecture";
            return Readiness::missing(what, "use `firecracker` or `cloud-hypervisor`");
        }
        let Some(program) = vmm::find(PROGRAM) else {
            return Readiness::missing_packages(format!("{PROGRAM} is not installed"), &[PACKAGE]);
        };
        let version = match vmm::version(&program, parse_version) {
            Ok(version) => version,
            Err(error) => {
                return Readiness::missing(
                    format!("{PROGRAM} does not start: {error}"),
                    format!("sudo apt-get install --reinstall {PACKAGE}"),
                );
            }
        };
        if let Err(missing) = cgroup::check_permission() {
            return Readiness::Missing(missing);
        }
        let accelerator = self.accelerator();
        Readiness::Ready(Ready {
            version: format!("qemu {version}, {}, {}", self.machine.name, accelerator.name()),
            emulated: matches!(accelerator, Accelerator::Tcg(_)),
            note: match accelerator {
                Accelerator::Kvm => None,
                Accelerator::Tcg(why) => Some(format!("the CPU is emulated: {why}")),
            },
        })
    }

    fn root_form(&self) -> RootForm {
        RootForm::Ext4
    }

    fn guest(&self) -> Option<GuestNeeds> {
        Some(GuestNeeds {
            form: KernelForm::Distribution,
            bus: self.machine.bus,
            line: GuestLine::Port,
            overlay: false,
        })
    }

    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        let kernel = vmm::kernel(&spec)?.clone();
        vmm::check_unused(&spec.root)?;
        let accelerator = self.accelerator().clone();
        let ports = std::mem::take(&mut *self.ports.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Box::new(sandbox::QemuSandbox::new(self.machine, accelerator, spec, kernel, ports)))
    }
}

/// The number behind `QEMU emulator version`.
fn parse_version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("version ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read() {
        let text = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright";
        assert_eq!(parse_version(text).as_deref(), Some("7.2.22"));
        assert_eq!(parse_version(""), None);
    }
}
