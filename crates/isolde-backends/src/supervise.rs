//! A child process under guard: ended with its parent, waited for with a
//! deadline, its last words kept.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, set_parent_process_death_signal};

use crate::{BackendError, Ending};

/// A child that is killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Supervised {
    child: Child,
    pidfd: OwnedFd,
    ending: Option<Ending>,
}

impl Supervised {
    /// Starts `command`. The kernel kills the child should the calling thread
    /// end before it, so it must be called from a thread that outlives it.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self, BackendError> {
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
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .spawn()
            .map_err(|source| BackendError::os(format!("start {program}"), source))?;
        let pid = Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self { child, pidfd, ending: None }),
            Err(source) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(BackendError::os(format!("watch {program}"), source))
            }
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child's end, should it have come.
    pub(crate) fn ended(&mut self) -> Option<Ending> {
        if self.ending.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.ending = Some(ending_of(status));
        }
        self.ending
    }

    /// Waits for the child's end.
    pub(crate) fn wait(
        &mut self,
        what: &'static str,
        deadline: Instant,
    ) -> Result<Ending, BackendError> {
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

    /// Kills the child and reaps it.
    pub(crate) fn kill(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            // SIGKILL cannot be caught; the wait ends as soon as the kernel has
            // taken the process apart.
            if let Ok(status) = self.child.wait() {
                self.ending = Some(ending_of(status));
            }
        }
    }

    /// The child itself, to take its pipes.
    pub(crate) const fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a process ended.
fn ending_of(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or(0)),
    }
}

/// A duration for poll(2).
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// Bytes of a console that are kept.
const TAIL_BYTES: usize = 16 * 1024;

/// The last [`TAIL_BYTES`] of a stream, read by a thread of its own until the
/// stream ends, so that the writer never blocks and never fills the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    /// Follows `stream`.
    pub(crate) fn follow(stream: impl Into<OwnedFd>) -> Self {
        let tail = Self::default();
        let kept = tail.clone();
        let mut stream = File::from(stream.into());
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                kept.push(&chunk[..length]);
            }
        });
        tail
    }

    /// Adds bytes at the end.
    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(TAIL_BYTES);
        kept.drain(..excess);
    }

    /// What is kept so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
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
        while !tail.bytes().ends_with(b"end\n") {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(tail.bytes().len(), TAIL_BYTES);
    }
}
