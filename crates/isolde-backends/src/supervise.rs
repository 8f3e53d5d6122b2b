//! A child process under guard: ended with its parent, waited for with a
//! deadline, its last words kept.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal, waitid,
};

use crate::{BackendError, Ending};

/// A child of this process under watch: its end is awaited with a deadline
/// and its status is collected once. Killed when this value is dropped.
#[derive(Debug)]
pub struct Watched {
    pidfd: OwnedFd,
    ending: Option<Ending>,
}

impl Watched {
    /// Watches the child `pid`, whose status nobody else collects.
    pub fn new(pid: Pid) -> io::Result<Self> {
        Ok(Self { pidfd: pidfd_open(pid, PidfdFlags::empty())?, ending: None })
    }

    /// The child's end, should it have come.
    pub fn ended(&mut self) -> Option<Ending> {
        if self.ending.is_none() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options).ok().flatten();
            self.ending = status.as_ref().and_then(ending_of);
        }
        self.ending
    }

    /// Waits for the child's end.
    pub fn wait(&mut self, what: &'static str, deadline: Instant) -> Result<Ending, BackendError> {
        loop {
            if let Some(ending) = self.ended() {
                return Ok(ending);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(BackendError::TimedOut { what });
            }
            let mut watched = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match poll(&mut watched, Some(&timespec(left))) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(source) => return Err(BackendError::os("wait for a process", source)),
            }
        }
    }

    /// Kills the child and collects its status; false where it did not end.
    pub fn kill(&mut self) -> bool {
        if self.ended().is_some() {
            return true;
        }
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        // SIGKILL cannot be caught: only a child stuck inside the kernel stays.
        self.wait("the end of a killed process", Instant::now() + KILL_PATIENCE).is_ok()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A killed process may take this long to end on a loaded device.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// A command's process that is killed when this value is dropped, or with its parent.
#[derive(Debug)]
pub struct Supervised {
    child: Child,
    watched: Watched,
}

impl Supervised {
    /// Starts `command`. The kernel kills the child should the calling thread
    /// end before it, so it must be called from a thread that outlives it.
    pub fn spawn(command: &mut Command) -> Result<Self, BackendError> {
        let parent = rustix::process::getpid();
        let die_with_parent = move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before the request was made.
            match rustix::process::getppid() == Some(parent) {
                true => Ok(()),
                false => Err(io::Error::other("the parent process is gone")),
            }
        };
        // SAFETY: the closure makes two system calls; it neither allocates nor
        // takes locks (the error path allocates nothing before exec fails).
        unsafe { command.pre_exec(die_with_parent) };
        // A terminal sends Ctrl-C to its whole foreground group: in it, the child
        // would end by itself and look like a crash before this program acts.
        command.process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .spawn()
            .map_err(|source| BackendError::os(format!("start {program}"), source))?;
        let pid = Pid::from_child(&child);
        match Watched::new(pid) {
            Ok(watched) => Ok(Self { child, watched }),
            Err(source) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(BackendError::os(format!("watch {program}"), source))
            }
        }
    }

    /// The child's end, should it have come.
    pub fn ended(&mut self) -> Option<Ending> {
        self.watched.ended()
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the child's end.
    pub fn wait(&mut self, what: &'static str, deadline: Instant) -> Result<Ending, BackendError> {
        self.watched.wait(what, deadline)
    }

    /// Kills the child and collects its status.
    pub fn kill(&mut self) {
        self.watched.kill();
    }

    /// The child itself, to take its pipes.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

/// Readable once the child has ended.
impl AsFd for Supervised {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.pidfd.as_fd()
    }
}

/// How a process ended; `None` while it has not.
fn ending_of(status: &WaitIdStatus) -> Option<Ending> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Some(Ending::Exited(code)),
        (None, signal) => signal.map(Ending::Signalled),
    }
}

/// A duration for poll(2).
pub fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// Bytes of a console that are kept.
const TAIL_BYTES: usize = 16 * 1024;

/// How long the end of a stream is waited for before its tail is told: its
/// writer has ended, but the thread that reads may not have had its turn.
const TAIL_PATIENCE: Duration = Duration::from_millis(500);

/// The last [`TAIL_BYTES`] of a stream, read by a thread of its own until the
/// stream ends, so that the writer never blocks and never fills the disk.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<TailState>);

#[derive(Debug, Default)]
struct TailState {
    kept: Mutex<Kept>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    /// A thread still reads.
    followed: bool,
}

impl Tail {
    /// Follows `stream`.
    pub fn follow(stream: impl Into<OwnedFd>) -> Self {
        let tail = Self::default();
        tail.lock().followed = true;
        let kept = tail.clone();
        let mut stream = File::from(stream.into());
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                kept.push(&chunk[..length]);
            }
            kept.lock().followed = false;
            kept.0.ended.notify_all();
        });
        tail
    }

    /// Adds bytes at the end.
    pub fn push(&self, bytes: &[u8]) {
        let mut kept = self.lock();
        kept.bytes.extend(bytes);
        let excess = kept.bytes.len().saturating_sub(TAIL_BYTES);
        kept.bytes.drain(..excess);
    }

    /// What is kept of a stream whose writer has ended.
    pub fn bytes(&self) -> Vec<u8> {
        let waited =
            self.0.ended.wait_timeout_while(self.lock(), TAIL_PATIENCE, |kept| kept.followed);
        let (kept, _) = waited.unwrap_or_else(PoisonError::into_inner);
        kept.bytes.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn a_status_and_a_signal_are_told_apart() {
        let mut child = Supervised::spawn(Command::new("sh").args(["-c", "exit 7"])).unwrap();
        assert_eq!(child.wait("the end", soon()).unwrap(), Ending::Exited(7));
        let mut child = Supervised::spawn(Command::new("sleep").arg("60")).unwrap();
        child.kill();
        child.kill();
        assert_eq!(child.wait("the end", soon()).unwrap(), Ending::Signalled(9));
    }

    #[test]
    fn waiting_ends_with_the_deadline() {
        let mut child = Supervised::spawn(Command::new("sleep").arg("60")).unwrap();
        let error = child.wait("the end", Instant::now() + Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error, BackendError::TimedOut { what: "the end" }));
    }

    #[test]
    fn dropping_kills() {
        let child = Supervised::spawn(Command::new("sleep").arg("60")).unwrap();
        let path = format!("/proc/{}", child.id());
        assert!(std::path::Path::new(&path).exists());
        drop(child);
        assert!(!std::path::Path::new(&path).exists());
    }

    #[test]
    fn a_tail_is_bounded_and_keeps_the_end() {
        let mut command = Command::new("sh");
        command.args(["-c", "yes | head -c 100000; echo; echo end"]).stdout(Stdio::piped());
        let mut child = Supervised::spawn(&mut command).unwrap();
        let tail = Tail::follow(child.child().stdout.take().unwrap());
        child.wait("the end", soon()).unwrap();
        assert!(tail.bytes().ends_with(b"end\n"));
        assert_eq!(tail.bytes().len(), TAIL_BYTES);
    }
}
