//! What /proc and the process clocks tell of processes that are not ours.

use std::fs;

/// The fields of proc_pid_stat(5) that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) parent: u32,
    /// CPU time of children that ended and were waited for, in clock ticks.
    pub(super) children_ticks: u64,
    /// When it started, in clock ticks since boot: with the pid, its identity.
    pub(super) started_ticks: u64,
}

impl Stat {
    /// `None` where the process is gone.
    pub(super) fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The name in parentheses may hold anything; the fields start after it.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // proc_pid_stat(5) counts from 1, and two fields are cut off here.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            children_ticks: number(16)? + number(17)?,
            started_ticks: number(22)?,
        })
    }
}

/// A process that may end and whose id may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    started_ticks: u64,
}

impl Process {
    /// `None` where it is gone.
    pub(super) fn find(pid: u32) -> Option<Self> {
        let started_ticks = Stat::read(pid)?.started_ticks;
        Some(Self { pid, started_ticks })
    }

    fn stat(self) -> Option<Stat> {
        Stat::read(self.pid).filter(|stat| stat.started_ticks == self.started_ticks)
    }

    /// True as long as it runs or waits to be reaped.
    pub(super) fn exists(self) -> bool {
        self.stat().is_some()
    }

    /// CPU time of all its threads, ended ones included, in nanoseconds.
    pub(super) fn cpu_ns(self) -> Option<u64> {
        let nanoseconds = process_clock_ns(self.pid)?;
        // Looked at afterwards: only then was the clock certainly its own.
        self.stat().map(|_| nanoseconds)
    }

    /// CPU time of children that ended and were waited for, in nanoseconds,
    /// with the resolution of the clock tick (10 ms nearly everywhere).
    pub(super) fn children_ns(self) -> Option<u64> {
        let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        Some(self.stat()?.children_ticks * tick_ns)
    }
}

/// The process's CPU-time clock, in nanoseconds.
fn process_clock_ns(pid: u32) -> Option<u64> {
    // MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of linux/posix-timers.h, which
    // clock_getcpuclockid(3) computes too.
    let clock = (!i32::try_from(pid).ok()? << 3) | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer and outlives the call;
    // an unknown clock is refused by an error, not by undefined behaviour.
    let answer = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if answer != 0 {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).ok()?)
}

/// The kernel's short name of a process.
pub(super) fn name(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}

/// Processes that this host has killed for want of memory (Linux 4.13 on).
pub(super) fn host_oom_kills() -> Option<u64> {
    let counters = fs::read_to_string("/proc/vmstat").ok()?;
    counters.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok())
}

/// All process ids.
pub(super) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_a_hostile_name() {
        let text = "42 (a) b 1 (x) S 7 1 1 0 -1 4 1 2 3 4 50 60 11 12 20 0 1 0 987 1 1";
        let expected = Stat { parent: 7, children_ticks: 23, started_ticks: 987 };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("42 (a"), None);
        assert_eq!(Stat::parse("42 (a) S 7"), None);
    }

    #[test]
    fn the_clock_of_a_process_runs_and_ends_with_it() {
        let me = Process::find(std::process::id()).unwrap();
        let before = me.cpu_ns().unwrap();
        let spin = std::thread::spawn(|| (0..3_000_000u64).map(std::hint::black_box).sum::<u64>());
        spin.join().unwrap();
        // The thread has ended, its time is still counted.
        assert!(me.cpu_ns().unwrap() > before);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        assert!(process.exists() && process.cpu_ns().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!process.exists() && process.cpu_ns().is_none() && process.children_ns().is_none());
    }
}
