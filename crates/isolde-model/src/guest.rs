//! What a virtual machine needs of a guest kernel.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Forms of a kernel image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelForm {
    /// As it was found: a bzImage, an ELF image with a PVH entry, or an arm64 `Image`.
    Distribution,
    /// What VMMs without a boot loader take: on x86-64 the ELF image, on arm64 the
    /// plain `Image`.
    Elf,
}

/// How the machine's virtio devices are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bus {
    /// PCI.
    Pci,
    /// Memory-mapped, without a bus: most microVMs.
    Mmio,
}

/// What carries the line to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestLine {
    /// A port of a virtio console.
    Port,
    /// A virtio socket.
    Vsock,
}

/// What a virtual machine needs of a guest kernel: every one of them also needs
/// virtio-blk and ext4 for its root disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GuestNeeds {
    /// The form of the image.
    pub form: KernelForm,
    /// Where its devices are.
    pub bus: Bus,
    /// What carries the line to the agent.
    pub line: GuestLine,
}

impl fmt::Display for GuestNeeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bus = match self.bus {
            Bus::Pci => "PCI",
            Bus::Mmio => "MMIO",
        };
        let line = match self.line {
            GuestLine::Port => "port",
            GuestLine::Vsock => "vsock",
        };
        write!(f, "virtio over {bus}, {line}")
    }
}
