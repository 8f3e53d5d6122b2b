//! The machine that Firecracker is told to be.

use std::path::Path;

use isolde_model::{GuestEnd, GuestLine, GuestParameters, GuestRoot};
use serde_json::{Value, json};

use super::options::CpuTemplate;
use super::place::{INITRAMFS, KERNEL, MEMORY, Place, ROOT, STATE, UPPER, VSOCK};
use super::process::Control;
use crate::{BackendError, GuestKernel, SandboxSpec};

/// The first address that belongs to no machine's own devices; all guests have the
/// same, because no two of them share a host socket.
const GUEST_ADDRESS: u32 = 3;

/// `quiet`: a serial console takes time for every byte. `panic=-1`: a panic resets at
/// once. `reboot=k`: by the keyboard controller, the one way that ends Firecracker on
/// x86-64. `i8042`: what Firecracker's controller has no answer for is not tried.
const PARAMETERS: &str =
    "console=ttyS0 reboot=k quiet panic=-1 i8042.noaux i8042.nomux i8042.dumbkbd";

/// Puts what a guest of `spec` boots from into `place`.
pub(super) fn furnish(
    place: &mut Place,
    spec: &SandboxSpec,
    kernel: &GuestKernel,
) -> Result<(), BackendError> {
    place.lend(KERNEL, &kernel.image)?;
    place.lend(INITRAMFS, &kernel.initramfs)?;
    place.lend(ROOT, &spec.root)?;
    match room(spec)? {
        Some(room) => place.copy(UPPER, room),
        None => Ok(()),
    }
}

/// The empty second disk of a guest that may write to its root.
fn room(spec: &SandboxSpec) -> Result<Option<&Path>, BackendError> {
    match (spec.writable_root, &spec.room) {
        (false, _) => Ok(None),
        (true, Some(room)) => Ok(Some(room)),
        (true, None) => Err(BackendError::Missing {
            what: "no disk for what the guest writes".into(),
            hint: "this is a fault of Isolde: please report it".into(),
        }),
    }
}

/// Describes the machine. All its disks are open then.
pub(super) fn describe(
    control: &mut Control<'_>,
    spec: &SandboxSpec,
    template: Option<&CpuTemplate>,
    rests: bool,
) -> Result<(), BackendError> {
    let mut machine = json!({
        "vcpu_count": spec.cpus.len(),
        "mem_size_mib": spec.memory.whole_mebibytes(),
        "smt": false,
    });
    if let Some(CpuTemplate::Static(name)) = template {
        machine["cpu_template"] = name.as_str().into();
    }
    control.put("/machine-config", &machine, "have Firecracker make the machine")?;
    if let Some(CpuTemplate::Custom(template)) = template {
        control.put("/cpu-config", template, "have Firecracker take the CPU template")?;
    }
    let boot = json!({
        "kernel_image_path": KERNEL,
        "initrd_path": INITRAMFS,
        "boot_args": parameters(spec, rests),
    });
    control.put("/boot-source", &boot, "have Firecracker take the kernel")?;
    control.put("/drives/root", &disk(ROOT, true), "have Firecracker take the root disk")?;
    if spec.writable_root {
        let action = "have Firecracker take the disk for what the guest writes";
        control.put("/drives/upper", &disk(UPPER, false), action)?;
    }
    let socket = json!({ "guest_cid": GUEST_ADDRESS, "uds_path": VSOCK });
    control.put("/vsock", &socket, "have Firecracker make the virtio socket")?;
    control.put("/entropy", &json!({}), "have Firecracker make the entropy device")
}

/// Starts the machine: when this returns its CPUs run.
pub(super) fn start(control: &mut Control<'_>) -> Result<(), BackendError> {
    let action = json!({ "action_type": "InstanceStart" });
    control.put("/actions", &action, "have Firecracker start the machine")
}

/// Has a running machine stop and its state and memory be written.
pub(super) fn freeze(control: &mut Control<'_>) -> Result<(), BackendError> {
    control.patch("/vm", &json!({ "state": "Paused" }), "have Firecracker pause the machine")?;
    let files = json!({
        "snapshot_type": "Full",
        "snapshot_path": STATE,
        "mem_file_path": MEMORY,
    });
    control.put("/snapshot/create", &files, "have Firecracker make the snapshot")
}

/// Makes a machine of a snapshot: when this returns its CPUs run. Its memory is the
/// file's, page by page as it is touched; what it writes is its own.
pub(super) fn thaw(control: &mut Control<'_>) -> Result<(), BackendError> {
    let files = json!({
        "snapshot_path": STATE,
        "mem_backend": { "backend_type": "File", "backend_path": MEMORY },
        "resume_vm": true,
    });
    control.put("/snapshot/load", &files, "have Firecracker load the snapshot")
}

/// The first that is named is the guest's first.
fn disk(name: &str, is_root: bool) -> Value {
    json!({
        "drive_id": name,
        "path_on_host": name,
        "is_root_device": is_root,
        "is_read_only": is_root,
    })
}

/// The kernel's command line.
fn parameters(spec: &SandboxSpec, rests: bool) -> String {
    let root = if spec.writable_root { GuestRoot::Overlay } else { GuestRoot::ReadOnly };
    let told = GuestParameters { root, line: GuestLine::Vsock, end: GuestEnd::Reset, rests };
    format!("{PARAMETERS} {told}")
}
