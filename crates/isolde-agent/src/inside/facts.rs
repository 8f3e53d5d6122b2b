//! What can be seen from inside.

use std::fs;

use isolde_model::InsideFacts;

use rustix::time::{ClockId, clock_getres};

use super::{Place, memory};
use crate::cpuinfo::cpu_model_and_features;

pub(super) fn read(place: Place) -> InsideFacts {
    let uname = rustix::system::uname();
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let (cpu_model, features_digest) = cpu_model_and_features(&cpuinfo);
    InsideFacts {
        cpus: usable_cpus(),
        memory_limit_bytes: memory::limit(place),
        own_kernel_memory: place == Place::OwnKernel,
        kernel: uname.release().to_string_lossy().into_owned(),
        kernel_age_ns: None,
        clock_step_ns: clock_step_ns(),
        architecture: uname.machine().to_string_lossy().into_owned(),
        cpu_model,
        features_digest,
        pid: std::process::id(),
    }
}

/// A nanosecond where the clock counts cycles; a tick of the kernel's timer where it
/// has nothing better to go by.
fn clock_step_ns() -> u64 {
    let step = clock_getres(ClockId::Monotonic);
    let (seconds, nanoseconds) = (step.tv_sec.unsigned_abs(), step.tv_nsec.unsigned_abs());
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

fn usable_cpus() -> u32 {
    rustix::thread::sched_getaffinity(None).map_or(0, |set| set.count())
}
