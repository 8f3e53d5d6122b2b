//! Whether this host's own CPU is software.

use std::fs;

/// On the kernel's command line, where nothing else tells: as the test bed has it.
const PARAMETER: &str = "isolde.emulated";

/// Why this host's CPU is known to be software; `None` where nothing shows it.
#[must_use]
pub fn emulation() -> Option<String> {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if line.split_whitespace().any(|word| word == PARAMETER) {
        return Some("the kernel's command line says so".into());
    }
    (signature() == *b"TCGTCGTCGTCG").then(|| "QEMU's translator runs it".into())
}

/// What a hypervisor calls itself: leaf 4000_0000h of CPUID, where there is one
/// (linux/arch/x86/kernel/cpu/hypervisor.c); otherwise anything.
#[cfg(target_arch = "x86_64")]
fn signature() -> [u8; 12] {
    let leaf = std::arch::x86_64::__cpuid(0x4000_0000);
    let mut name = [0; 12];
    for (part, word) in name.chunks_exact_mut(4).zip([leaf.ebx, leaf.ecx, leaf.edx]) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    name
}

/// arm64 has no such register.
#[cfg(not(target_arch = "x86_64"))]
fn signature() -> [u8; 12] {
    [0; 12]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_emulated_only_where_its_cpu_says_so() {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        if !cpuinfo.contains("QEMU") && !cpuinfo.contains("TCG") {
            assert_eq!(emulation(), None);
        }
    }
}
