//! `vm`: a full virtual machine: QEMU with the PC of its time (q35) or arm64's
//! `virt` machine, virtio devices, and a kernel of its own.
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
mod qmp;
mod sandbox;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use isolde_model::{Bus, EnvironmentName, GuestLine, GuestNeeds, KernelForm, Readiness, Ready};

use crate::supervise::{Supervised, Tail};
use crate::{Backend, BackendError, RootForm, Sandbox, SandboxSpec, cgroup, kvm};
use machine::{Accelerator, HOST};

/// A full virtual machine.
#[derive(Debug, Default)]
pub struct Vm {
    accelerator: OnceLock<Accelerator>,
}

impl Vm {
    /// The back end.
    #[must_use]
    pub const fn new() -> Self {
        Self { accelerator: OnceLock::new() }
    }

    fn accelerator(&self) -> &Accelerator {
        self.accelerator.get_or_init(|| Accelerator::choose(&kvm::probe()))
    }
}

impl Backend for Vm {
    fn name(&self) -> EnvironmentName {
        EnvironmentName::new("vm")
    }

    fn description(&self) -> &'static str {
        "a full virtual machine: QEMU with virtio devices"
    }

    fn probe(&self) -> Readiness {
        if !is_installed(HOST.program) {
            return Readiness::missing_packages(
                format!("{} is not installed", HOST.program),
                &[HOST.package],
            );
        }
        let version = match qemu_version() {
            Ok(version) => version,
            Err(error) => {
                return Readiness::missing(
                    format!("{} does not start: {error}", HOST.program),
                    format!("sudo apt-get install --reinstall {}", HOST.package),
                );
            }
        };
        if let Err(missing) = cgroup::check_permission() {
            return Readiness::Missing(missing);
        }
        let accelerator = self.accelerator();
        Readiness::Ready(Ready {
            version: format!("qemu {version}, {}, {}", HOST.name, accelerator.name()),
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
        Some(GuestNeeds { form: KernelForm::Distribution, bus: Bus::Pci, line: GuestLine::Port })
    }

    fn create(&self, mut spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        let kernel = spec.kernel.take().ok_or_else(|| BackendError::Missing {
            what: "no kernel for the guest".into(),
            hint: "`isolde doctor --install` brings one".into(),
        })?;
        Ok(Box::new(sandbox::VmSandbox::new(spec, kernel, self.accelerator().clone())))
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .any(|file: PathBuf| file.is_file())
}

/// A program says its version at once; the first start reads it from a slow disk.
const VERSION_PATIENCE: Duration = Duration::from_secs(20);

/// The number behind `QEMU emulator version`.
fn qemu_version() -> Result<String, BackendError> {
    let mut command = Command::new(HOST.program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut qemu = Supervised::spawn(&mut command)?;
    let output = qemu.child().stdout.take().map(Tail::follow).unwrap_or_default();
    qemu.wait("the answer to --version", Instant::now() + VERSION_PATIENCE)?;
    // What it said is in the pipe, but our reader may not have been scheduled yet.
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        let text = String::from_utf8_lossy(&output.bytes()).into_owned();
        match parse_version(&text) {
            Some(version) => return Ok(version),
            None if Instant::now() >= deadline => {
                return Err(BackendError::tool("learn its version", text));
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

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
