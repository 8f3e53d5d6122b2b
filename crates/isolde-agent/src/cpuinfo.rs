//! What /proc/cpuinfo says of a CPU, read the same way on the host and inside.

use sha2::{Digest, Sha256};

/// Bytes of a SHA-256 that are kept: 16 hexadecimal digits.
const DIGEST_BYTES: usize = 8;

/// Model name of the CPU, and the first 16 hexadecimal digits of the SHA-256 over
/// the first CPU's feature flags, sorted and joined by spaces. `cpuinfo` is the
/// text of /proc/cpuinfo; what it does not tell is `None`.
///
/// Outputs of inferences may differ where the digests differ: engines choose
/// their arithmetic by these flags.
#[must_use]
pub fn cpu_model_and_features(cpuinfo: &str) -> (Option<String>, Option<String>) {
    let arm_flags = || values(cpuinfo, "Features").find(|flags| !flags.is_empty());
    let features = x86_flags(cpuinfo).or_else(arm_flags).map(|flags| {
        let mut flags: Vec<&str> = flags.split_ascii_whitespace().collect();
        flags.sort_unstable();
        let digest = Sha256::digest(flags.join(" "));
        digest[..DIGEST_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
    });
    (model(cpuinfo), features)
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
    fn the_order_of_flags_does_not_matter_but_each_flag_does() {
        let digest = |flags| cpu_model_and_features(&format!("flags : {flags}\n")).1;
        assert_eq!(digest("a b  c"), digest("c a b"));
        assert_ne!(digest("a b c"), digest("a b"));
        assert_ne!(digest("ab c"), digest("a bc"));
    }

    #[test]
    fn silence_is_not_an_answer() {
        for text in ["", "\n\n", "flags :\nmodel name :\n", "model name", "CPU implementer : 0x41"]
        {
            assert_eq!(cpu_model_and_features(text), (None, None), "{text:?}");
        }
    }
}
