//! What a virtual machine needs of a guest kernel.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::EnvironmentName;

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

/// A guest kernel that is there, and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelReport {
    /// Its release; `None` for a file that is no kernel.
    pub release: Option<String>,
    /// The file with its image.
    pub image: String,
    /// Where it comes from, in words.
    pub origin: String,
    /// The machine that it runs on, as `uname -m` says.
    pub machine: Option<String>,
    /// Whether it brings modules; otherwise all its drivers are built in.
    pub modular: bool,
    /// The environments that boot a kernel, and whether they can boot this one.
    pub environments: Vec<Bootable>,
    /// Why it is the one that guests boot unless another is asked for.
    pub default: Option<String>,
    /// Why it is of no use at all.
    pub problem: Option<String>,
}

/// Whether an environment can boot a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootable {
    /// The environment.
    pub environment: EnvironmentName,
    /// Its kind of machine, in words.
    pub machine_type: String,
    /// What the kernel lacks for it: nothing where it can be booted.
    pub lacks: Vec<String>,
}
