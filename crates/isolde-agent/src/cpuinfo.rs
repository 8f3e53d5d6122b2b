//! What /proc/cpuinfo says of a CPU, read the same way on the host and inside.

use sha2::{Digest, Sha256};

/// Bytes of a SHA-256 that are kept: 16 hexadecimal digits.
const DIGEST_BYTES: usize = 8;

/// What the flags begin with by which programs choose their arithmetic: vector
/// and matrix units, fused multiply-add, half precision, bit counting. The others
/// say how a CPU is cooled, counted, virtualised or mended, and no guest has all
/// of its host's (Linux, arch/x86/include/asm/cpufeatures.h).
const X86_ARITHMETIC: [&str; 16] = [
    "3dnow", "abm", "amx", "apx", "avx", "bmi", "f16c", "fma", "fpu", "lzcnt", "mmx", "pni",
    "popcnt", "sse", "ssse3", "xop",
];

/// The same for 64-bit Arm (Linux, Documentation/arch/arm64/elf_hwcaps.rst).
const ARM_ARITHMETIC: [&str; 14] = [
    "afp", "asimd", "bf16", "ebf16", "f8", "faminmax", "fcma", "fp", "frint", "i8mm", "jscvt",
    "rpres", "sme", "sve",
];

/// Model name of the CPU, and the first 16 hexadecimal digits of the SHA-256 over
/// the first CPU's feature flags that concern arithmetic, sorted and joined by
/// spaces. `cpuinfo` is the text of /proc/cpuinfo; what it does not tell is `None`.
///
/// Outputs of inferences may differ where the digests differ: engines choose
/// their arithmetic by these flags. Where the digests are equal they must not.
#[must_use]
pub fn cpu_model_and_features(cpuinfo: &str) -> (Option<String>, Option<String>) {
    let arm_flags = || values(cpuinfo, "Features").find(|flags| !flags.is_empty());
    let x86 = x86_flags(cpuinfo).map(|flags| only(flags, &X86_ARITHMETIC));
    let arithmetic = x86.or_else(|| Some(only(arm_flags()?, &ARM_ARITHMETIC)));
    let features = arithmetic.map(|mut flags| {
        flags.sort_unstable();
        let digest = Sha256::digest(flags.join(" "));
        digest[..DIGEST_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
    });
    (model(cpuinfo), features)
}

fn only<'a>(flags: &'a str, beginnings: &[&str]) -> Vec<&'a str> {
    let is_wanted = |flag: &&str| beginnings.iter().any(|beginning| flag.starts_with(beginning));
    flags.split_ascii_whitespace().filter(is_wanted).collect()
}

/// Feature flags of the first CPU where it is an x86.
#[must_use]
pub fn x86_flags(cpuinfo: &str) -> Option<&str> {
    values(cpuinfo, "flags").find(|flags| !flags.is_empty())
}

/// x86 names the model; 64-bit Arm gives numbers for each core, and boards may
/// join different cores, which are then named in order of appearance.
fn model(cpuinfo: &str) -> Option<String> {
    if let Some(name) = values(cpuinfo, "model name").find(|name| !name.is_empty()) {
        return Some(name.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    }
    let implementers = values(cpuinfo, "CPU implementer");
    let mut cores: Vec<String> = Vec::new();
    for (implementer, part) in implementers.zip(values(cpuinfo, "CPU part")) {
        let name = arm_core(implementer, part);
        if !cores.contains(&name) {
            cores.push(name);
        }
    }
    (!cores.is_empty()).then(|| cores.join(" + "))
}

/// The values of all lines `key : value`.
fn values<'a>(cpuinfo: &'a str, key: &'static str) -> impl Iterator<Item = &'a str> {
    cpuinfo.lines().filter_map(move |line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == key).then(|| value.trim())
    })
}

/// Name of an Arm core by its implementer and part numbers (MIDR_EL1).
fn arm_core(implementer: &str, part: &str) -> String {
    let hexadecimal = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let known = hexadecimal(implementer).zip(hexadecimal(part)).and_then(|numbers| {
        CORES.iter().find(|(core, _)| *core == numbers).map(|(_, name)| (*name).to_owned())
    });
    known.unwrap_or_else(|| format!("Arm core {implementer}:{part}"))
}

/// Cores of edge devices and Arm servers, with the numbers of Linux's
/// arch/arm64/include/asm/cputype.h.
const CORES: [((u32, u32), &str); 26] = [
    ((0x41, 0xd03), "Cortex-A53"),
    ((0x41, 0xd04), "Cortex-A35"),
    ((0x41, 0xd05), "Cortex-A55"),
    ((0x41, 0xd07), "Cortex-A57"),
    ((0x41, 0xd08), "Cortex-A72"),
    ((0x41, 0xd09), "Cortex-A73"),
    ((0x41, 0xd0a), "Cortex-A75"),
    ((0x41, 0xd0b), "Cortex-A76"),
    ((0x41, 0xd0c), "Neoverse-N1"),
    ((0x41, 0xd0d), "Cortex-A77"),
    ((0x41, 0xd40), "Neoverse-V1"),
    ((0x41, 0xd41), "Cortex-A78"),
    ((0x41, 0xd42), "Cortex-A78AE"),
    ((0x41, 0xd44), "Cortex-X1"),
    ((0x41, 0xd46), "Cortex-A510"),
    ((0x41, 0xd47), "Cortex-A710"),
    ((0x41, 0xd48), "Cortex-X2"),
    ((0x41, 0xd49), "Neoverse-N2"),
    ((0x41, 0xd4b), "Cortex-A78C"),
    ((0x41, 0xd4d), "Cortex-A715"),
    ((0x41, 0xd4e), "Cortex-X3"),
    ((0x41, 0xd4f), "Neoverse-V2"),
    ((0x41, 0xd80), "Cortex-A520"),
    ((0x41, 0xd81), "Cortex-A720"),
    ((0x4e, 0x004), "Carmel"),
    ((0xc0, 0xac3), "Ampere-1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "\
processor	: 0
vendor_id	: GenuineIntel
model name	: Intel(R) Xeon(R) CPU           E5-2680 v4 @ 2.40GHz
flags		: sse2 fpu avx
bugs		: spectre_v1
vmx flags	: vnmi ept

processor	: 1
model name	: Intel(R) Xeon(R) CPU           E5-2680 v4 @ 2.40GHz
flags		: sse2 fpu avx
";

    #[test]
    fn a_server_names_its_model() {
        let (model, features) = cpu_model_and_features(SERVER);
        assert_eq!(model.as_deref(), Some("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz"));
        // printf 'avx fpu sse2' | sha256sum
        assert_eq!(features.as_deref(), Some("55357668f4c94773"));
    }

    #[test]
    fn arm_cores_are_named_by_their_numbers() {
        let pi = "Features\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n";
        let (model, features) = cpu_model_and_features(&pi.repeat(4));
        assert_eq!(model.as_deref(), Some("Cortex-A72"));
        assert!(features.is_some());
        let mixed = format!("{pi}CPU implementer : 0x41\nCPU part : 0xd03\n{pi}");
        assert_eq!(cpu_model_and_features(&mixed).0.as_deref(), Some("Cortex-A72 + Cortex-A53"));
        let unknown = "CPU implementer : 0x7f\nCPU part : 0x001\n";
        assert_eq!(cpu_model_and_features(unknown).0.as_deref(), Some("Arm core 0x7f:0x001"));
    }

    #[test]
    fn the_order_of_flags_does_not_matter_but_each_arithmetic_flag_does() {
        let digest = |flags| cpu_model_and_features(&format!("flags : {flags}\n")).1;
        assert_eq!(digest("sse2 fma  avx"), digest("avx sse2 fma"));
        assert_ne!(digest("sse2 fma avx"), digest("sse2 fma"));
        assert_ne!(digest("avx sse2"), digest("avxsse2"));
    }

    /// The flags in which a guest of QEMU with KVM and `-cpu host` was seen to
    /// differ from its host, beside those of its vector units.
    #[test]
    fn a_guest_with_its_hosts_arithmetic_has_its_digest() {
        let digest = |flags: &str| cpu_model_and_features(&format!("flags : {flags}\n")).1;
        let host = digest("fpu sse sse2 avx avx2 fma acpi ht monitor mpx pku svm");
        let guest = "fpu sse sse2 avx avx2 fma hypervisor arch_capabilities tsc_adjust \
                     tsc_deadline_timer tsc_known_freq vmcb_clean x2apic";
        assert_eq!(digest(guest), host);
        assert_ne!(digest(&guest.replace("avx2", "")), host);
        let arm = |flags: &str| cpu_model_and_features(&format!("Features : {flags}\n")).1;
        assert_eq!(arm("fp asimd evtstrm crc32 cpuid mte"), arm("fp asimd crc32"));
        assert_ne!(arm("fp asimd asimddp"), arm("fp asimd"));
    }

    #[test]
    fn silence_is_not_an_answer() {
        for text in ["", "\n\n", "flags :\nmodel name :\n", "model name", "CPU implementer : 0x41"]
        {
            assert_eq!(cpu_model_and_features(text), (None, None), "{text:?}");
        }
    }
}
