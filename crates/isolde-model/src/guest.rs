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
    /// Memory-mapped, without a bus: most microVMs. ACPI or a device tree announces them.
    Mmio,
    /// The same, but on x86-64 nothing except the kernel's command line announces
    /// them (CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES).
    MmioByParameter,
}

/// What carries the line to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestLine {
    /// A port of a virtio console.
    Port,
    /// A virtio socket: the guest connects to [`LINE_PORT`] of the host.
    Vsock,
}

/// The port of the host's that a guest connects its line to, by virtio socket.
pub const LINE_PORT: u32 = 1024;

/// The port that a guest which is to rest connects to when it is ready for that.
pub const REST_PORT: u32 = 1025;

/// The first byte of a guest that may be frozen now.
pub const READY_TO_REST: u8 = 0x5A;

/// What the host writes to a thawed guest's line before anything else: what every copy
/// of a frozen guest would otherwise share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thaw {
    /// The host's time (CLOCK_REALTIME), nanoseconds since 1970.
    pub time_ns: i64,
    /// Random numbers that no other guest is given.
    pub seed: [u8; Self::SEED_BYTES],
}

impl Thaw {
    /// Random bytes that the host gives.
    pub const SEED_BYTES: usize = 32;
    /// Bytes of the whole message.
    pub const BYTES: usize = size_of::<i64>() + Self::SEED_BYTES;

    /// As it is written: the time, little-endian, and the random bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (time, seed) = bytes.split_at_mut(size_of::<i64>());
        time.copy_from_slice(&self.time_ns.to_le_bytes());
        seed.copy_from_slice(&self.seed);
        bytes
    }

    /// What was written.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (mut time, mut seed) = ([0; size_of::<i64>()], [0; Self::SEED_BYTES]);
        let (time_part, seed_part) = bytes.split_at(size_of::<i64>());
        time.copy_from_slice(time_part);
        seed.copy_from_slice(seed_part);
        Self { time_ns: i64::from_le_bytes(time), seed }
    }
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
    /// Whether a root that can be written to is put together from two disks by
    /// overlayfs: for VMMs that cannot throw away what a guest writes.
    pub overlay: bool,
}

impl fmt::Display for GuestNeeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bus = match self.bus {
            Bus::Pci => "PCI",
            Bus::Mmio => "MMIO",
            Bus::MmioByParameter => "MMIO by parameter",
        };
        let line = match self.line {
            GuestLine::Port => "port",
            GuestLine::Vsock => "vsock",
        };
        write!(f, "virtio over {bus}, {line}")
    }
}

/// How a guest's root file system comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GuestRoot {
    /// The first disk, which is shared and read-only.
    #[default]
    ReadOnly,
    /// The first disk, which is the launch's own.
    Writable,
    /// The second disk, the launch's own, over the first, by overlayfs.
    Overlay,
}

/// How a guest ends its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GuestEnd {
    /// It switches it off.
    #[default]
    PowerOff,
    /// It resets it: for VMMs that have no power switch.
    Reset,
}

/// What the host tells a guest on the kernel's command line, which hands parameters
/// that it does not know to its first process as variables. That one, `/init` in
/// `isolde-image`, goes by [`GuestParameters::ROOT`] and passes the others on to the
/// agent as arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestParameters {
    /// How the root file system comes about.
    pub root: GuestRoot,
    /// What carries the line to the agent.
    pub line: GuestLine,
    /// How the machine is ended.
    pub end: GuestEnd,
    /// Whether the guest, when it is up, waits to be frozen and thawed before it
    /// opens its line.
    pub rests: bool,
}

impl GuestParameters {
    /// Name of the parameter that `/init` goes by.
    pub const ROOT: &'static str = "ISOLDE_ROOT";
    const LINE: &'static str = "ISOLDE_LINE";
    const END: &'static str = "ISOLDE_END";
    const REST: &'static str = "ISOLDE_REST";

    /// What the agent is told by its arguments, each `NAME=VALUE`; what is not among
    /// them has its default. The root is no matter of the agent's.
    pub fn of_agent(arguments: impl IntoIterator<Item = String>) -> Self {
        let mut told = Self {
            root: GuestRoot::default(),
            line: GuestLine::Port,
            end: GuestEnd::default(),
            rests: false,
        };
        for argument in arguments {
            match argument.split_once('=') {
                Some((Self::LINE, "vsock")) => told.line = GuestLine::Vsock,
                Some((Self::END, "reset")) => told.end = GuestEnd::Reset,
                Some((Self::REST, "yes")) => told.rests = true,
                _ => {}
            }
        }
        told
    }
}

/// The part of the kernel's command line, words separated by spaces; empty where all
/// is as by default.
impl fmt::Display for GuestParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = match self.root {
            GuestRoot::ReadOnly => None,
            GuestRoot::Writable => Some("rw"),
            GuestRoot::Overlay => Some("overlay"),
        };
        let words = [
            (Self::ROOT, root),
            (Self::LINE, (self.line == GuestLine::Vsock).then_some("vsock")),
            (Self::END, (self.end == GuestEnd::Reset).then_some("reset")),
            (Self::REST, self.rests.then_some("yes")),
        ];
        let mut separator = "";
        for (name, value) in words {
            if let Some(value) = value {
                write!(f, "{separator}{name}={value}")?;
                separator = " ";
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_reads_what_the_host_writes() {
        let told = GuestParameters {
            root: GuestRoot::Overlay,
            line: GuestLine::Vsock,
            end: GuestEnd::Reset,
            rests: true,
        };
        let text = told.to_string();
        assert_eq!(text, "ISOLDE_ROOT=overlay ISOLDE_LINE=vsock ISOLDE_END=reset ISOLDE_REST=yes");
        let read = GuestParameters::of_agent(text.split(' ').map(str::to_owned));
        assert_eq!(read, GuestParameters { root: GuestRoot::ReadOnly, ..told });
        let default = GuestParameters::of_agent([String::from("agent")]);
        assert_eq!(default.to_string(), "");
    }

    #[test]
    fn a_thawed_guest_reads_what_the_host_writes() {
        let thaw = Thaw { time_ns: -5, seed: std::array::from_fn(|at| at as u8) };
        let bytes = thaw.to_bytes();
        assert_eq!((bytes[0], bytes[8], bytes[39]), (0xFB, 0, 31));
        assert_eq!(Thaw::from_bytes(&bytes), thaw);
    }
}
