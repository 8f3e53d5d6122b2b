//! CPU that the runtime itself spent outside the container's cgroup.
//!
//! The kernel charges to the cgroup what runs inside: the first process from
//! its birth, and the intermediate process from the moment at which it enters.
//! What remains is charged here: the threads that make and start the container
//! (their CPU clocks) and the intermediate process before it enters,
//!
//! ```text
//! outside = intermediate − inside,   inside = cgroup − first process
//! ```
//!
//! all read right after creation, when the first process has run but waits for
//! its start and the intermediate process has just been collected.

use std::fs;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use crate::cgroup::Cgroup;

/// A measurement from before a creation to after it.
pub(super) struct Intermediate {
    began: Instant,
    children_ns: u64,
}

impl Intermediate {
    /// Begins.
    pub(super) fn measure() -> Self {
        Self { began: Instant::now(), children_ns: collected_children_ns() }
    }

    /// CPU of the intermediate process outside `cgroup`, in nanoseconds.
    pub(super) fn outside_ns(&self, cgroup: &Cgroup, first: i32) -> u64 {
        let intermediate = collected_children_ns().saturating_sub(self.children_ns);
        // Children of other threads may have been collected in the meantime.
        // One process of one thread cannot use more than the time that passed.
        let intermediate = intermediate.min(nanoseconds(self.began.elapsed()));
        let inside = cgroup.read().map_or(0, |reading| reading.cpu_ns);
        // Where the kernel does not tell, the intermediate process is charged
        // in full, in part twice: an upper bound.
        let inside = on_cpu_ns(first).map_or(0, |first| inside.saturating_sub(first));
        intermediate.saturating_sub(inside)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU of all children whose status was collected (getrusage(2)), to microseconds.
fn collected_children_ns() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is valid for writing one rusage, which the call fills
    // when it succeeds.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) != 0 {
            return 0;
        }
        usage.assume_init()
    };
    let nanoseconds = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
            + u64::try_from(time.tv_usec).unwrap_or(0) * 1000
    };
    nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime)
}

/// Time on a CPU of a single-threaded process: the first field of schedstat
/// (kernel documentation, `scheduler/sched-stats`), in nanoseconds.
fn on_cpu_ns(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}
