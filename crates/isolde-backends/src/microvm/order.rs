//! What the child that becomes a machine is told, on its standard input.

use std::io::Read;
use std::os::fd::RawFd;

use isolde_model::{GuestEnd, GuestLine, GuestParameters, GuestRoot};
use serde::{Deserialize, Serialize};

use crate::{BackendError, SandboxSpec};

/// The machine, and the descriptors that the child is handed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// Number of vCPUs.
    pub(super) cpus: u8,
    /// The guest's memory in MiB.
    pub(super) memory_mebibytes: u32,
    /// The kernel's command line.
    pub(super) parameters: String,
    /// The kernel's image, to be read.
    pub(super) kernel: RawFd,
    /// The initramfs, to be read.
    pub(super) initramfs: RawFd,
    /// The first disk, to be read.
    pub(super) root: RawFd,
    /// The second disk, to be written to.
    pub(super) upper: Option<RawFd>,
    /// One end of a socket pair: the line.
    pub(super) line: RawFd,
    /// Takes what the guest writes to its serial console.
    pub(super) console: RawFd,
}

/// Longest order in bytes; the kernel takes 2048 bytes of command line.
const LONGEST: u64 = 16 * 1024;

/// What the kernel finds out by itself on other machines: the serial console; that there
/// are neither ACPI tables nor PCI to look for; `reboot=k`: that the keyboard
/// controller's reset line ends the machine, the one way that libkrun has on x86-64.
#[cfg(target_arch = "x86_64")]
const MACHINE: &str = "console=ttyS0 acpi=off pci=off reboot=k";
#[cfg(not(target_arch = "x86_64"))]
const MACHINE: &str = "console=ttyAMA0";

/// `quiet`: every byte on a serial console takes the guest's time. `panic=-1`: a panic
/// resets at once, and a reset ends the machine.
const PARAMETERS: &str = "quiet panic=-1";

/// libkrun gives every machine a balloon. Its driver would give free pages back to the
/// host from a thread of its own, in the middle of an inference, which happens in no
/// other environment. A module of that name is not brought to the guest.
const NO_BALLOON: &str =
    "initcall_blacklist=virtio_balloon_driver_init page_reporting.page_reporting_order=10";

/// The kernel's command line. libkrun adds where the devices are.
pub(super) fn parameters(spec: &SandboxSpec) -> String {
    let root = if spec.writable_root { GuestRoot::Overlay } else { GuestRoot::ReadOnly };
    let own = GuestParameters { root, line: GuestLine::Port, end: GuestEnd::Reset, rests: false };
    format!("{MACHINE} {PARAMETERS} {NO_BALLOON} {own}")
}

/// Number of vCPUs and memory in MiB, as far as libkrun can count them.
pub(super) fn size(spec: &SandboxSpec) -> Result<(u8, u32), BackendError> {
    let cpus = u8::try_from(spec.cpus.len());
    let memory = u32::try_from(spec.memory.whole_mebibytes());
    match (cpus, memory) {
        (Ok(cpus), Ok(memory)) => Ok((cpus, memory)),
        _ => Err(BackendError::Missing {
            what: format!("no machine has {} CPUs and {} here", spec.cpus.len(), spec.memory),
            hint: "ask for fewer CPUs or less memory".into(),
        }),
    }
}

impl Order {
    /// Reads an order to its end.
    pub(super) fn read(from: impl Read) -> std::io::Result<Self> {
        Ok(serde_json::from_reader(from.take(LONGEST))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            cpus: 2,
            memory_mebibytes: 192,
            parameters: "quiet".into(),
            kernel: 5,
            initramfs: 6,
            root: 7,
            upper: None,
            line: 8,
            console: 9,
        }
    }

    #[test]
    fn an_order_is_read_as_it_was_written_and_nothing_else_is() {
        let text = serde_json::to_string(&order()).unwrap();
        assert_eq!(Order::read(text.as_bytes()).unwrap(), order());
        let more = text.replacen('{', "{\"network\":3,", 1);
        assert!(Order::read(more.as_bytes()).unwrap_err().to_string().contains("network"));
        assert!(Order::read(&text.as_bytes()[..text.len() / 2]).is_err());
        assert!(Order::read(&b""[..]).is_err());
    }
}
