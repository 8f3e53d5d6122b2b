//! The machine of each architecture, and how fast it runs on this host.

use isolde_model::KvmFacts;

/// What differs between architectures.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// The emulator.
    pub(super) program: &'static str,
    /// The Debian package with it.
    pub(super) package: &'static str,
    /// QEMU's machine, for `-machine`.
    pub(super) kind: &'static str,
    /// The machine as people call it.
    pub(super) name: &'static str,
    /// Kernel parameter: the serial console.
    pub(super) parameters: &'static str,
}

const Q35: Machine = Machine {
    program: "qemu-system-x86_64",
    package: "qemu-system-x86",
    kind: "q35",
    name: "q35",
    parameters: "console=ttyS0",
};

const VIRT: Machine = Machine {
    program: "qemu-system-aarch64",
    package: "qemu-system-arm",
    kind: "virt,gic-version=max",
    name: "virt",
    parameters: "console=ttyAMA0",
};

/// The machine of this host's architecture.
pub(super) const HOST: &Machine = if cfg!(target_arch = "aarch64") { &VIRT } else { &Q35 };

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
