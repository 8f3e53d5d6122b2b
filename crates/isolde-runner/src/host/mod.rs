//! Facts of the device that a run is made on.
//!
//! Reading them never fails: what a host does not tell stays unknown.

mod cpu;
mod emulation;
mod files;
mod heat;
mod machine;
mod memory;
mod resources;

use std::path::Path;

use isolde_backends::{cgroup, kvm};
use isolde_model::HostFacts;

use files::Files;

pub use cpu::allowed_cpus;
pub use emulation::emulation;
pub use resources::{ResourceError, check_resources};

/// Facts of this host, read now. The first call in a process takes up to a second
/// longer: it tries KVM.
#[must_use]
pub fn facts() -> HostFacts {
    HostFacts { kvm: kvm::probe(), ..facts_without_kvm() }
}

/// Facts of this host, read now, for those who do not ask for KVM.
#[must_use]
pub fn facts_without_kvm() -> HostFacts {
    let system = rustix::system::uname();
    let mut facts = facts_in_files(Path::new("/"));
    facts.kernel = system.release().to_string_lossy().into_owned();
    facts.architecture = system.machine().to_string_lossy().into_owned();
    facts.cpu.emulated = emulation();
    facts.cpu.cpus = u32::try_from(allowed_cpus().len()).unwrap_or(u32::MAX);
    facts.cgroup = match cgroup::host_hierarchy() {
        Ok(hierarchy) => hierarchy.version().to_string(),
        Err(_) => "none".into(),
    };
    facts
}

/// The facts that are in files below `root`, `/` on a living host.
fn facts_in_files(root: &Path) -> HostFacts {
    let files = Files::below(root);
    let memory = memory::read(&files);
    HostFacts {
        machine: machine::name(&files),
        os: machine::operating_system(&files),
        cpu: cpu::read(&files),
        memory_bytes: memory.total,
        memory_available_bytes: memory.available,
        swap_bytes: memory.swap,
        swap_used_bytes: memory.swap_used,
        temperature_millicelsius: heat::hottest_millicelsius(&files),
        throttling: heat::throttling(&files),
        load_1m_thousandths: memory::load_1m_thousandths(&files),
        ..HostFacts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use files::tests::host_with;

    #[test]
    fn a_raspberry_pi() {
        let cpuinfo = "processor\t: 0\nBogoMIPS\t: 108.00\n\
            Features\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n\
            CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n\
            Revision\t: d03114\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n";
        let root = host_with(&[
            ("proc/cpuinfo", cpuinfo),
            ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
            (
                "proc/meminfo",
                "MemTotal: 7998716 kB\nMemFree: 6000000 kB\nMemAvailable: 7300112 kB\nSwapTotal: 102396 kB\nSwapFree: 102140 kB\n",
            ),
            ("proc/loadavg", "0.52 0.58 0.59 1/467 1234\n"),
            ("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "1500000\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "1800000\n"),
            ("sys/class/thermal/thermal_zone0/temp", "61835\n"),
            ("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n"),
        ]);
        let facts = facts_in_files(root.path());
        assert_eq!(facts.machine.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        assert_eq!(facts.os.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(facts.cpu.model.as_deref(), Some("Cortex-A72"));
        assert_eq!(facts.cpu.governor.as_deref(), Some("ondemand"));
        assert!(!facts.cpu.virtualized);
        assert_eq!(facts.memory_bytes, 7_998_716 * 1024);
        assert_eq!(facts.memory_available_bytes, 7_300_112 * 1024);
        assert_eq!((facts.swap_bytes, facts.swap_used_bytes), (102_396 * 1024, 256 * 1024));
        assert_eq!(facts.load_1m_thousandths, 520);
        assert_eq!(facts.temperature_millicelsius, Some(61_835));
        assert_eq!(
            facts.throttling,
            [
                "under-voltage now: use a stronger power supply",
                "throttled by the firmware now",
                "CPU frequency held to 1500 MHz of 1800 MHz",
            ]
        );
    }

    #[test]
    fn a_server() {
        let root = host_with(&[
            (
                "proc/cpuinfo",
                "processor\t: 0\nmodel name\t: AMD EPYC 7302 16-Core Processor\nflags\t\t: fpu sse2 svm\n",
            ),
            (
                "proc/meminfo",
                "MemTotal:       131909536 kB\nMemAvailable:   120000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
            ),
            ("proc/loadavg", "12.07 9.00 3.10 4/1467 99999\n"),
            ("sys/class/dmi/id/sys_vendor", "Dell Inc.\n"),
            ("sys/class/dmi/id/product_name", "PowerEdge R6515\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
            ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "schedutil\n"),
            ("sys/devices/system/cpu/cpu10/cpufreq/scaling_governor", "performance\n"),
            ("usr/lib/os-release", "NAME=Ubuntu\nPRETTY_NAME='Ubuntu 24.04.1 LTS'\n"),
        ]);
        let facts = facts_in_files(root.path());
        assert_eq!(facts.machine.as_deref(), Some("Dell Inc. PowerEdge R6515"));
        assert_eq!(facts.os.as_deref(), Some("Ubuntu 24.04.1 LTS"));
        assert_eq!(facts.cpu.governor.as_deref(), Some("performance, schedutil"));
        assert_eq!(facts.memory_bytes, 131_909_536 * 1024);
        assert_eq!((facts.swap_bytes, facts.swap_used_bytes), (0, 0));
        assert_eq!(facts.load_1m_thousandths, 12_070);
        assert_eq!(facts.temperature_millicelsius, None);
        assert!(facts.throttling.is_empty(), "{:?}", facts.throttling);
    }

    #[test]
    fn a_host_that_tells_nothing() {
        assert_eq!(facts_in_files(host_with(&[]).path()), HostFacts::default());
    }

    #[test]
    fn this_host() {
        let facts = facts();
        assert!(!facts.kernel.is_empty() && !facts.architecture.is_empty());
        assert_eq!(facts.cpu.cpus as usize, allowed_cpus().len());
        assert!(facts.cpu.cpus > 0 && facts.cpu.features_digest.is_some());
        assert!(facts.memory_available_bytes > 0);
        assert!(facts.memory_available_bytes <= facts.memory_bytes);
        assert_ne!(facts.kvm, isolde_model::KvmFacts::default());
    }
}
