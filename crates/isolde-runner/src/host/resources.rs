//! Whether a host has what a plan asks for.

use isolde_model::{ByteSize, HostFacts, Resources};

/// Why a host cannot give a sandbox what the plan asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// More CPUs than this process may use.
    #[error(
        "{asked} CPUs are asked for, but only {allowed} may be used here: give --cpus {allowed} \
         or less, or allow more (taskset, cpuset)"
    )]
    TooManyCpus {
        /// CPUs asked for.
        asked: u32,
        /// CPUs that this process may run on.
        allowed: u32,
    },
    /// Less memory than the program itself needs.
    #[error(
        "{asked} of memory are asked for, too little for a sandbox: give --memory {}M or more",
        least.whole_mebibytes()
    )]
    TooLittleMemory {
        /// Memory asked for.
        asked: ByteSize,
        /// The least.
        least: ByteSize,
    },
    /// A part of a MiB, which a virtual machine cannot be given.
    #[error(
        "{asked} of memory are asked for, but only whole MiB are the same in every environment: \
         give --memory {}M",
        asked.whole_mebibytes()
    )]
    NotWhole {
        /// Memory asked for.
        asked: ByteSize,
    },
    /// More memory than is built in.
    #[error(
        "{asked} of memory are asked for, but this host has {} MiB: give --memory {}M or less",
        host.whole_mebibytes(), available.whole_mebibytes()
    )]
    MoreThanMemory {
        /// Memory asked for.
        asked: ByteSize,
        /// Memory of the host.
        host: ByteSize,
        /// Memory available for new work.
        available: ByteSize,
    },
    /// More memory than is free: the host would swap, and every figure with it.
    #[error(
        "{asked} of memory are asked for, but only {} MiB are available now: end other programs, \
         or give --memory {}M or less",
        available.whole_mebibytes(), available.whole_mebibytes()
    )]
    MoreThanAvailable {
        /// Memory asked for.
        asked: ByteSize,
        /// Memory available for new work.
        available: ByteSize,
    },
}

/// No environment starts the agent with less; Docker itself refuses 6 MiB.
const LEAST_MEMORY: ByteSize = ByteSize::mebibytes(16);

/// Checks that `host` can give one sandbox what it is to get; sandboxes run one
/// after another. What the host does not tell is not checked.
///
/// # Errors
/// The first thing that is asked for and not there.
pub fn check_resources(resources: &Resources, host: &HostFacts) -> Result<(), ResourceError> {
    let (asked, allowed) = (resources.cpus, host.cpu.cpus);
    if asked > allowed && allowed > 0 {
        return Err(ResourceError::TooManyCpus { asked, allowed });
    }
    let asked = resources.memory;
    if asked < LEAST_MEMORY {
        return Err(ResourceError::TooLittleMemory { asked, least: LEAST_MEMORY });
    }
    if ByteSize::mebibytes(asked.whole_mebibytes()) != asked {
        return Err(ResourceError::NotWhole { asked });
    }
    let total = ByteSize(host.memory_bytes);
    let available = ByteSize(host.memory_available_bytes);
    if asked > total && total.bytes() > 0 {
        return Err(ResourceError::MoreThanMemory { asked, host: total, available });
    }
    if asked > available && available.bytes() > 0 {
        return Err(ResourceError::MoreThanAvailable { asked, available });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use isolde_model::CpuFacts;

    fn check(cpus: u32, mebibytes: u64) -> Result<(), String> {
        let host = HostFacts {
            cpu: CpuFacts { cpus: 4, ..CpuFacts::default() },
            memory_bytes: 8000 << 20,
            memory_available_bytes: 6000 << 20,
            ..HostFacts::default()
        };
        let memory = ByteSize::mebibytes(mebibytes);
        check_resources(&Resources { cpus, memory, threads: 1.into() }, &host)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_there_may_be_asked_for() {
        assert_eq!(check(4, 6000), Ok(()));
        let unknown = HostFacts::default();
        let resources = Resources { cpus: 4, memory: ByteSize::mebibytes(512), threads: 1.into() };
        assert_eq!(check_resources(&resources, &unknown), Ok(()));
    }

    #[test]
    fn errors_say_what_is_there_and_what_to_give() {
        let error = check(5, 512).unwrap_err();
        assert!(error.starts_with("5 CPUs") && error.contains("--cpus 4 "), "{error}");
        let error = check(1, 6001).unwrap_err();
        assert!(error.contains("available now") && error.contains("--memory 6000M"), "{error}");
        let error = check(1, 16 << 10).unwrap_err();
        assert!(error.contains("16G") && error.contains("8000 MiB"), "{error}");
        assert!(error.contains("--memory 6000M"), "{error}");
        let error = check(1, 15).unwrap_err();
        assert!(error.starts_with("15M") && error.contains("--memory 16M or more"), "{error}");
        let memory = ByteSize((20 << 20) + 1024);
        let resources = Resources { cpus: 1, memory, threads: 1.into() };
        let error = check_resources(&resources, &HostFacts::default()).unwrap_err().to_string();
        assert!(error.contains("whole MiB") && error.contains("--memory 20M"), "{error}");
    }
}
