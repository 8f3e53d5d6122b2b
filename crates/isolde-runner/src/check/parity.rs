//! Equal resources, read from inside.

use isolde_agent::protocol::{Hello, PROTOCOL_VERSION};
use isolde_model::InsideFacts;

/// What the sandbox was asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) cpus: u32,
    pub(crate) memory_bytes: u64,
    /// Kernel release: the guest kernel's, or the host's where it is shared.
    pub(crate) kernel: String,
}

/// A guest kernel keeps page tables, its own image and, before init, the
/// initramfs for itself: about 40 MiB and 1/64 of the memory for page
/// structures were seen with distribution kernels; twice that is allowed.
const KERNEL_KEEPS_BYTES: u64 = 80 << 20;
const KERNEL_KEEPS_SHARE: u64 = 32;

/// Why the greeting shows that the sandbox is not what was asked for.
pub(crate) fn check(asked: &Asked, hello: &Hello) -> Result<(), String> {
    if hello.protocol != PROTOCOL_VERSION {
        return Err(format!(
            "the agent speaks protocol {}, this program {PROTOCOL_VERSION}",
            hello.protocol
        ));
    }
    let facts = &hello.facts;
    if facts.cpus != asked.cpus {
        return Err(format!("{} CPUs were asked for, it sees {}", asked.cpus, facts.cpus));
    }
    if facts.kernel != asked.kernel {
        let (seen, wanted) = (&facts.kernel, &asked.kernel);
        return Err(format!("kernel {wanted} was asked for, it sees {seen}"));
    }
    check_clock(facts.clock_step_ns)?;
    check_memory(asked.memory_bytes, facts)
}

/// The shortest inferences take tens of microseconds; a clock that is coarser than a
/// microsecond would round them visibly.
const COARSEST_CLOCK_NS: u64 = 1_000;

fn check_clock(step_ns: u64) -> Result<(), String> {
    if step_ns <= COARSEST_CLOCK_NS {
        return Ok(());
    }
    Err(format!(
        "the clock inside goes in steps of {} µs, too coarse to time an inference: the guest's \
         kernel has no clock source of its machine",
        step_ns / 1000
    ))
}

fn check_memory(asked: u64, facts: &InsideFacts) -> Result<(), String> {
    let seen = facts.memory_limit_bytes;
    let least = if facts.own_kernel_memory {
        asked.saturating_sub(KERNEL_KEEPS_BYTES + asked / KERNEL_KEEPS_SHARE)
    } else {
        asked
    };
    if (least..=asked).contains(&seen) {
        Ok(())
    } else {
        Err(format!("{} MiB of memory were asked for, it sees {} MiB", asked >> 20, seen >> 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(change: impl FnOnce(&mut Hello)) -> Result<(), String> {
        let facts = InsideFacts {
            cpus: 2,
            memory_limit_bytes: 512 << 20,
            kernel: "6.1.0".into(),
            ..InsideFacts::default()
        };
        let mut hello = Hello { protocol: PROTOCOL_VERSION, version: "0".into(), facts };
        change(&mut hello);
        check(&Asked { cpus: 2, memory_bytes: 512 << 20, kernel: "6.1.0".into() }, &hello)
    }

    #[test]
    fn what_was_asked_for_passes() {
        assert_eq!(hello(|_| {}), Ok(()));
        let guest = |hello: &mut Hello| {
            hello.facts.own_kernel_memory = true;
            hello.facts.memory_limit_bytes = 460 << 20;
        };
        assert_eq!(hello(guest), Ok(()));
    }

    #[test]
    fn anything_else_is_told() {
        type Change = fn(&mut Hello);
        let cases: [(Change, &str); 7] = [
            (|hello| hello.facts.clock_step_ns = 4_000_000, "steps of 4000 µs"),
            (|hello| hello.protocol = 99, "protocol"),
            (|hello| hello.facts.cpus = 1, "CPUs"),
            (|hello| hello.facts.kernel = "5.4".into(), "kernel"),
            (|hello| hello.facts.memory_limit_bytes = 460 << 20, "memory"),
            (|hello| hello.facts.memory_limit_bytes = 1 << 40, "memory"),
            (
                |hello| {
                    hello.facts.own_kernel_memory = true;
                    hello.facts.memory_limit_bytes = 300 << 20;
                },
                "memory",
            ),
        ];
        for (change, word) in cases {
            let reason = hello(change).unwrap_err();
            assert!(reason.contains(word), "{reason}");
        }
    }
}
