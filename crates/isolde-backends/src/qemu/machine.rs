//! QEMU's machines, and how fast they run on this host.

use isolde_model::{Bus, KvmFacts};

/// The emulator of this host's architecture, and the Debian package with it.
pub(super) const PROGRAM: &str =
    if cfg!(target_arch = "aarch64") { "qemu-system-aarch64" } else { "qemu-system-x86_64" };
pub(super) const PACKAGE: &str =
    if cfg!(target_arch = "aarch64") { "qemu-system-arm" } else { "qemu-system-x86" };

/// A machine that QEMU can be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// For `-machine`.
    pub(super) kind: &'static str,
    /// The machine as people call it.
    pub(super) name: &'static str,
    /// Where its virtio devices are.
    pub(super) bus: Bus,
    /// Kernel parameter: the serial console.
    pub(super) parameters: &'static str,
}

const Q35: Machine =
    Machine { kind: "q35", name: "q35", bus: Bus::Pci, parameters: "console=ttyS0" };

/// The whole PC whose own guests are to know that everything on it is emulated: see
/// `isolde_runner::host`.
pub(super) const TESTBED: &Machine = &Machine {
    kind: "q35",
    name: "q35",
    bus: Bus::Pci,
    parameters: "console=ttyS0 isolde.emulated",
};

const VIRT: Machine = Machine {
    kind: "virt,gic-version=max",
    name: "virt",
    bus: Bus::Pci,
    parameters: "console=ttyAMA0",
};

/// The full machine of this host's architecture.
pub(super) const FULL: &Machine = if cfg!(target_arch = "aarch64") { &VIRT } else { &Q35 };

/// Only there for x86-64. With ACPI, which tells the kernel of the devices and gives
/// the machine a power switch.
pub(super) const MICROVM: &Machine = &Machine {
    kind: "microvm,acpi=on,rtc=on",
    name: "microvm",
    bus: Bus::Mmio,
    parameters: "console=ttyS0",
};

impl Machine {
    /// The end of its virtio devices' names.
    pub(super) const fn device_suffix(&self) -> &'static str {
        match self.bus {
            Bus::Pci => "pci",
            Bus::Mmio | Bus::MmioByParameter => "device",
        }
    }
}

/// What executes the guest's instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// The CPU itself.
    Kvm,
    /// QEMU's translator, and why KVM is not used.
    Tcg(String),
}

impl Accelerator {
    /// The best that this host has.
    pub(super) fn choose(kvm: &KvmFacts) -> Self {
        match kvm {
            KvmFacts::Executes { .. } => Self::Kvm,
            KvmFacts::Emulated { picoseconds_per_iteration } => Self::Tcg(format!(
                "KVM does not run guest code on the CPU here ({} ns per loop iteration)",
                picoseconds_per_iteration / 1000
            )),
            KvmFacts::Broken { reason } => Self::Tcg(format!("KVM does not work: {reason}")),
            KvmFacts::Absent { reason, hint } if hint.is_empty() => {
                Self::Tcg(format!("no KVM: {reason}"))
            }
            KvmFacts::Absent { reason, hint } => Self::Tcg(format!("no KVM: {reason}; {hint}")),
        }
    }

    /// `kvm` or `tcg`.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg(_) => "tcg",
        }
    }

    /// QEMU's arguments for it. The CPU is all that the host or the translator
    /// has. The translator runs all vCPUs in one thread: with a thread each, about
    /// one guest in a hundred was seen to hang on a busy host (QEMU 7.2).
    pub(super) const fn arguments(&self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg(_) => ["-accel", "tcg,thread=single", "-cpu", "max"],
        }
    }

    /// Kernel parameters without which `machine` does not boot or has no clock, or
    /// nothing. An emulated microvm has no timer to measure its CPU's clock with: a
    /// kernel waits for it for ever, unless it is told how fast the clock is, which is
    /// the host's; and with several CPUs it falls back to counting ticks of 4 ms, unless
    /// it is told that their clocks agree, which they do in one thread.
    pub(super) fn clock_parameter(&self, machine: &Machine) -> String {
        match self {
            Self::Tcg(_) if machine.bus != Bus::Pci => {
                format!(
                    "tsc=reliable tsc_early_khz={}",
                    host_kilohertz().unwrap_or(FALLBACK_KILOHERTZ)
                )
            }
            _ => String::new(),
        }
    }
}

/// Within a factor of two of every CPU that could emulate another.
const FALLBACK_KILOHERTZ: u64 = 2_500_000;

/// What the first CPU of /proc/cpuinfo has, in kHz.
fn host_kilohertz() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("cpu MHz"))?;
    let (whole, part) = line.split_once(':')?.1.trim().split_once('.')?;
    let thousandths = part.get(..3)?;
    Some(whole.parse::<u64>().ok()? * 1000 + thousandths.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kvm_is_used_only_where_it_executes() {
        let executes = KvmFacts::Executes { picoseconds_per_iteration: 300 };
        assert_eq!(Accelerator::choose(&executes), Accelerator::Kvm);
        let absent = KvmFacts::Absent { reason: "no device".into(), hint: "load kvm".into() };
        let Accelerator::Tcg(why) = Accelerator::choose(&absent) else { panic!("not emulated") };
        assert_eq!(why, "no KVM: no device; load kvm");
        let slow = KvmFacts::Emulated { picoseconds_per_iteration: 900_000 };
        assert!(Accelerator::choose(&slow).arguments().contains(&"tcg,thread=single"));
    }
}
