//! What back ends with a kernel of their own share, whatever their VMM.

mod api;
mod disk;
mod hand_down;
mod line;
mod port;
mod program;

use isolde_model::{KvmFacts, Missing};

use crate::{BackendError, GuestKernel, SandboxSpec, kvm};
pub(crate) use api::{Api, CallError};
pub(crate) use disk::{check_unused, copy_sparse};
pub(crate) use hand_down::hand_down;
pub(crate) use line::line;
pub(crate) use port::{Folder, Listener, NotConnected};
pub(crate) use program::{find, last_line, version};

/// The kernel of a launch.
pub(crate) fn kernel(spec: &SandboxSpec) -> Result<&GuestKernel, BackendError> {
    spec.kernel.as_ref().ok_or_else(|| BackendError::Missing {
        what: "no kernel for the guest".into(),
        hint: "`isolde doctor --install` brings one".into(),
    })
}

/// That KVM executes guest code here: a VMM that has nothing else needs it.
pub(crate) fn check_kvm() -> Result<(), Missing> {
    let (what, hint) = match kvm::probe() {
        KvmFacts::Executes { .. } => return Ok(()),
        KvmFacts::Emulated { picoseconds_per_iteration } => (
            format!(
                "KVM does not run guest code on the CPU here ({} ns per loop iteration)",
                picoseconds_per_iteration / 1000
            ),
            NO_KVM_HINT.to_owned(),
        ),
        KvmFacts::Broken { reason } => {
            (format!("KVM does not work: {reason}"), NO_KVM_HINT.to_owned())
        }
        KvmFacts::Absent { reason, hint } if hint.is_empty() => (reason, NO_KVM_HINT.to_owned()),
        KvmFacts::Absent { reason, hint } => (reason, hint),
    };
    Err(Missing { what, hint, packages: Vec::new() })
}

/// What is left to do without KVM.
const NO_KVM_HINT: &str = "use a device with KVM, or try it out in `isolde testbed`";
