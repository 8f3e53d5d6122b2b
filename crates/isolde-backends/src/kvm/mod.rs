//! Whether this host's KVM executes guest code, found out by running some.
//!
//! The file `/dev/kvm` proves nothing: some hosts offer one whose guests are
//! emulated instruction by instruction, or stop at an instruction that every
//! ordinary kernel needs. So a real guest is made, as ordinary kernels run
//! (64-bit, privileged), a loop in it is timed against the same loop run by the
//! host, and a few telling instructions are tried.

use std::sync::OnceLock;

use isolde_model::KvmFacts;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod attempt;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use attempt::attempt;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn attempt() -> KvmFacts {
    KvmFacts::Absent {
        reason: "no probe for this architecture".into(),
        hint: "use environments that need no KVM".into(),
    }
}

/// Whether KVM executes guest code here. Found out once per process, in about a
/// second at most; later calls give the same answer.
pub fn probe() -> KvmFacts {
    static FACTS: OnceLock<KvmFacts> = OnceLock::new();
    FACTS.get_or_init(attempt).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_comes_back_with_an_answer_that_stays() {
        let first = probe();
        assert_ne!(first, KvmFacts::default());
        if !std::path::Path::new("/dev/kvm").exists() {
            assert!(matches!(first, KvmFacts::Absent { .. }), "{first:?}");
        }
        assert_eq!(probe(), first);
    }
}
