//! The machine, as `vm.create` of Cloud Hypervisor's API takes it.

use isolde_model::{GuestEnd, GuestLine, GuestParameters, GuestRoot};
use serde_json::{Value, json};

use super::names::{INITRAMFS, KERNEL, ROOT, UPPER, VSOCK};
use crate::SandboxSpec;

/// Its serial port.
const CONSOLE: &str =
    if cfg!(target_arch = "aarch64") { "console=ttyAMA0" } else { "console=ttyS0" };

/// `quiet`: a serial console takes time for every byte. `panic=-1`: a panic resets at
/// once, and a reset ends the VMM.
const PARAMETERS: &str = "quiet panic=-1";

/// The guest's address on its virtio socket: the first that is free.
const GUEST_CID: u32 = 3;

/// The machine for `spec`: nothing but what is named here, and a source of random
/// numbers, which it always has.
pub(super) fn machine(spec: &SandboxSpec) -> Value {
    let cpus = spec.cpus.len();
    json!({
        "cpus": { "boot_vcpus": cpus, "max_vcpus": cpus },
        "memory": { "size": spec.memory.whole_mebibytes() << 20 },
        "payload": {
            "kernel": KERNEL,
            "initramfs": INITRAMFS,
            "cmdline": parameters(spec.writable_root),
        },
        "disks": disks(spec.writable_root),
        // A terminal is its standard output, also where that is a pipe.
        "serial": { "mode": "Tty" },
        "console": { "mode": "Off" },
        "vsock": { "cid": GUEST_CID, "socket": VSOCK },
    })
}

/// Named as raw, for that it does not look for another format in what a guest wrote.
fn disks(writable: bool) -> Value {
    let root = json!({ "path": ROOT, "readonly": true, "image_type": "Raw" });
    if !writable {
        return json!([root]);
    }
    json!([root, { "path": UPPER, "image_type": "Raw" }])
}

/// The kernel's command line.
fn parameters(writable: bool) -> String {
    let own = GuestParameters {
        root: if writable { GuestRoot::Overlay } else { GuestRoot::ReadOnly },
        line: GuestLine::Vsock,
        end: GuestEnd::PowerOff,
        rests: false,
    };
    format!("{CONSOLE} {PARAMETERS} {own}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_to_write_to_is_a_second_disk() {
        let read_only = disks(false);
        assert_eq!(read_only.as_array().unwrap().len(), 1);
        assert_eq!(read_only[0]["readonly"], true);
        let writable = disks(true);
        assert_eq!((&writable[0], &writable[1]["path"]), (&read_only[0], &json!("upper")));
        assert!(writable[1]["readonly"].is_null());
        assert!(parameters(true).ends_with(" ISOLDE_ROOT=overlay ISOLDE_LINE=vsock"));
        assert!(parameters(false).ends_with(" panic=-1 ISOLDE_LINE=vsock"));
    }
}
