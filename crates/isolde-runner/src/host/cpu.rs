//! The CPU, its governor, and how many of it this process may use.

use std::collections::BTreeSet;
use std::path::PathBuf;

use isolde_agent::cpuinfo::{cpu_model_and_features, x86_flags};
use isolde_model::CpuFacts;
use rustix::thread::{CpuSet, sched_getaffinity};

use super::files::Files;
use super::machine;

/// Numbers of the CPUs that the calling thread may run on, rising. Never empty.
#[must_use]
pub fn allowed_cpus() -> Vec<u32> {
    let allowed = |set: CpuSet| -> Vec<u32> {
        (0..CpuSet::MAX_CPU)
            .filter(|&cpu| set.is_set(cpu))
            .filter_map(|cpu| u32::try_from(cpu).ok())
            .collect()
    };
    match sched_getaffinity(None).map(allowed) {
        Ok(cpus) if !cpus.is_empty() => cpus,
        // More CPUs than the set can hold; the first is always among them.
        _ => vec![0],
    }
}

/// What files say of the CPU; the number of CPUs is not among it.
pub(super) fn read(files: &Files<'_>) -> CpuFacts {
    let cpuinfo = files.text("proc/cpuinfo").unwrap_or_default();
    let (model, features_digest) = cpu_model_and_features(&cpuinfo);
    CpuFacts {
        model,
        cpus: 0,
        governor: governor(files),
        features_digest,
        virtualized: machine::is_virtual(files, x86_flags(&cpuinfo)),
        emulated: None,
    }
}

/// `cpufreq` folders of all CPUs.
pub(super) fn frequency_folders(files: &Files<'_>) -> Vec<PathBuf> {
    let folders = files.entries("sys/devices/system/cpu", "cpu");
    folders.iter().map(|cpu| cpu.join("cpufreq")).filter(|folder| files.exists(folder)).collect()
}

/// The governors in use, each once.
fn governor(files: &Files<'_>) -> Option<String> {
    let governors: BTreeSet<String> = frequency_folders(files)
        .iter()
        .filter_map(|folder| files.text(folder.join("scaling_governor")))
        .collect();
    (!governors.is_empty()).then(|| governors.into_iter().collect::<Vec<_>>().join(", "))
}
