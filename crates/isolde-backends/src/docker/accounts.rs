//! What one container has used: its cgroup and the daemons around it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use isolde_model::{Leak, Reading};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use super::daemons::{Daemons, Ledger};
use super::place::Place;
use super::procfs::{self, Process, Stat};
use crate::BackendError;
use crate::supervise::timespec;

/// Counters of one container, from the request for it.
#[derive(Debug, Clone)]
pub(super) struct Accounts {
    place: Place,
    kept: Arc<Mutex<Kept>>,
}

/// What must not be lost when its source goes away.
#[derive(Debug)]
struct Kept {
    ledger: Ledger,
    /// cgroup v1 does not pass these on to the parent, and the container's own
    /// cgroup is gone soon after its end.
    oom_kills: u64,
    /// Those of the whole host when the account was opened, where cgroups do
    /// not keep them.
    host_oom_kills: Option<u64>,
}

/// The processes that come with a container.
#[derive(Debug)]
pub(super) struct Attendants {
    shim: Process,
    /// Readable once the shim has ended.
    shim_end: OwnedFd,
}

impl Accounts {
    /// Begins to charge the daemons.
    pub(super) fn open(place: Place, daemons: Daemons) -> Self {
        let host_oom_kills = place.forgets_oom_kills().then(procfs::host_oom_kills).flatten();
        let kept = Kept { ledger: Ledger::open(daemons), oom_kills: 0, host_oom_kills };
        Self { place, kept: Arc::new(Mutex::new(kept)) }
    }

    /// Finds the processes of `container`, which has just started, and takes a
    /// last look at its counters when its first process ends. `None` where even
    /// its shim has ended already.
    pub(super) fn follow(&self, container: &str, runtime: &Handle) -> Option<Attendants> {
        let Some((init, attendants)) = self.find() else {
            let attendants = Attendants::search(container)?;
            let container_ns = self.place.read().map_or(0, |reading| reading.cpu_ns);
            self.with(|kept| {
                kept.ledger.add_late_shim(attendants.shim, container_ns);
                kept.ledger.sample();
            });
            return Some(attendants);
        };
        self.with(|kept| {
            kept.ledger.add_shim(attendants.shim, init);
            kept.ledger.sample();
        });
        if let Some(init_end) = watch(init) {
            // Long before anything is cleaned up: that takes the shim, two
            // daemons and another runc.
            let accounts = self.clone();
            runtime.spawn(async move {
                // SAFETY: an OwnedFd gives the same open descriptor as long as it lives.
                let end = unsafe { AsyncFd::register_with_interest(init_end, Interest::READABLE) };
                if let Ok(end) = end
                    && end.readable().await.is_ok()
                {
                    let _ = accounts.read();
                }
            });
        }
        Some(attendants)
    }

    /// The container's first process and its shim.
    fn find(&self) -> Option<(Process, Attendants)> {
        let init = first_process(&self.place.processes())?;
        let shim = Process::find(Stat::read(init.pid)?.parent).filter(|shim| is_shim(shim.pid))?;
        Some((init, Attendants { shim, shim_end: watch(shim)? }))
    }

    /// CPU, memory and out-of-memory kills so far, with the daemons.
    pub(super) fn read(&self) -> Result<Reading, BackendError> {
        let reading = self.place.read();
        self.with(|kept| {
            kept.ledger.sample();
            let mut reading = reading?;
            kept.oom_kills = kept.oom_kills.max(reading.oom_kills);
            reading.oom_kills = kept.oom_kills;
            reading.daemons = kept.ledger.charges();
            Ok(reading)
        })
    }

    /// True where the container's own count may have gone with its cgroup
    /// before it was read: something on this host was killed meanwhile.
    pub(super) fn may_miss_oom_kill(&self) -> bool {
        self.with(|kept| {
            let before = kept.host_oom_kills;
            kept.oom_kills == 0 && before.is_some() && procfs::host_oom_kills() > before
        })
    }

    /// Takes down that there was at least one.
    pub(super) fn add_oom_kill(&self) {
        self.with(|kept| kept.oom_kills = kept.oom_kills.max(1));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Attendants {
    /// The shim of a container that ended before it could be followed.
    pub(super) fn search(container: &str) -> Option<Self> {
        let serves = |pid: &u32| {
            is_shim(*pid)
                && std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
                    let mut words = line.split(|byte| *byte == 0);
                    // The same program helps containerd for a moment at both ends.
                    let is_helper = |word: &[u8]| word == b"start" || word == b"delete";
                    words.any(|word| word == container.as_bytes()) && !words.any(is_helper)
                })
        };
        let shim = Process::find(procfs::all().find(serves)?)?;
        Some(Self { shim, shim_end: watch(shim)? })
    }

    /// Waits for the shim's end and reports it where that does not come.
    pub(super) fn outlive(&self, deadline: Instant) -> Option<Leak> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match poll(&mut [readable(self.shim_end.as_fd())], Some(&timespec(left))) {
                Ok(1..) => return None,
                Err(rustix::io::Errno::INTR) if left > Duration::ZERO => {}
                _ => {
                    return Some(Leak::new(
                        "process",
                        format!("{} containerd-shim", self.shim.pid),
                    ));
                }
            }
        }
    }
}

fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd, PollFlags::IN)
}

/// The kernel cuts names off at 15 bytes; it stands for all versions of the shim.
fn is_shim(pid: u32) -> bool {
    procfs::name(pid).as_deref() == Some("containerd-shim")
}

/// The one whose parent is not among them.
fn first_process(processes: &[u32]) -> Option<Process> {
    let is_first =
        |pid: &&u32| Stat::read(**pid).is_some_and(|stat| !processes.contains(&stat.parent));
    processes.iter().find(is_first).and_then(|pid| Process::find(*pid))
}

/// A descriptor that becomes readable when the process ends.
fn watch(process: Process) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
    let fd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // Looked at afterwards: only then is it certainly not a successor's.
    process.exists().then_some(fd)
}
