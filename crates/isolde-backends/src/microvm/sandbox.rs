//! One virtual machine, seen from the program that started it.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ChildStdout;
use std::time::{Duration, Instant};

use isolde_model::{Leak, Reading};
use rustix::event::{PollFd, PollFlags, poll};

use super::ends::{Files, Handed, OurEnds, channels};
use super::role::RUNNING;
use crate::supervise::{Supervised, Tail, timespec};
use crate::vmm::{self, last_line};
use crate::{BackendError, Ending, Line, Sandbox, SandboxSpec};

pub(super) struct KrunSandbox {
    spec: SandboxSpec,
    /// What plays the role of the machine.
    program: &'static Path,
    /// Until it is started.
    files: Option<Files>,
    running: Option<Running>,
    console: Tail,
    errors: Tail,
}

struct Running {
    vmm: Supervised,
    /// Kept open: whoever writes to it would end otherwise.
    _status: ChildStdout,
    ending: Option<Ending>,
}

/// What is started, for people.
const WHAT: &str = "the microVM";

/// Reported for a guest whose kernel panicked. libkrun itself ends with 0 then.
const PANIC_STATUS: i32 = 1;

/// How the kernel begins its report of a panic, whatever its log level.
const PANIC: &[u8] = b"Kernel panic - not syncing";

/// A child that has closed its channels ends within this time.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(1);

/// A killed process may take this long to end on a loaded device.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

impl KrunSandbox {
    pub(super) fn new(spec: SandboxSpec, program: &'static Path) -> Result<Self, BackendError> {
        let files = Some(Files::open(&spec)?);
        let (console, errors) = (Tail::default(), Tail::default());
        Ok(Self { spec, program, files, running: None, console, errors })
    }

    /// The child, told what it is to be.
    fn spawn(&mut self, handed: Handed) -> Result<(Supervised, ChildStdout), BackendError> {
        let order = handed.order(&self.spec)?;
        let order = serde_json::to_vec(&order)
            .map_err(|error| BackendError::tool("write down the machine", error))?;
        let mut command = handed.command(self.program);
        self.spec.cgroup.hold(&mut command)?;
        let mut vmm = Supervised::spawn(&mut command)?;
        // The child's ends go with the command, or its end would not be the line's.
        drop(command);
        let child = vmm.child();
        if let Some(errors) = child.stderr.take() {
            self.errors = Tail::follow(errors);
        }
        if let Some(mut stdin) = child.stdin.take() {
            // It fits into the pipe. A child that has died already tells why itself.
            let _ = stdin.write_all(&order);
        }
        let status = child.stdout.take();
        let status = status.ok_or_else(|| BackendError::os("follow", io::ErrorKind::BrokenPipe))?;
        Ok((vmm, status))
    }

    /// Why the child closed its channels before the machine ran.
    fn died_at_once(&mut self) -> BackendError {
        let grace = Instant::now() + LAST_WORDS_PATIENCE;
        let ended = self.running.as_mut().map(|running| running.vmm.wait(WHAT, grace));
        self.kill();
        let said = last_line(&self.errors).unwrap_or_else(|| match ended {
            Some(Ok(Ending::Exited(status))) => {
                format!("it said nothing and exited with {status}")
            }
            Some(Ok(Ending::Signalled(signal))) => format!("it said nothing, signal {signal}"),
            _ => "it hung up".to_owned(),
        });
        BackendError::DiedAtOnce { what: WHAT.to_owned(), said }
    }
}

/// Whether the machine runs; false where the child has closed the channel instead.
fn wait_until_running(status: &mut ChildStdout, deadline: Instant) -> Result<bool, BackendError> {
    let failed = |source| BackendError::os("wait for the microVM", source);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(BackendError::TimedOut { what: "the start of the microVM" });
        }
        let mut watched = [PollFd::from_borrowed_fd(status.as_fd(), PollFlags::IN)];
        match poll(&mut watched, Some(&timespec(left))) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(failed(error.into())),
        }
        let mut told = [0];
        let length = status.read(&mut told).map_err(failed)?;
        return Ok(length == 1 && told == [RUNNING]);
    }
}

impl Sandbox for KrunSandbox {
    fn start(&mut self, deadline: Instant) -> Result<Line, BackendError> {
        let files = self.files.take().ok_or(BackendError::TimedOut { what: "a second start" })?;
        let (OurEnds { line: stream, console }, handed) = channels(files)?;
        let line = vmm::line(stream)?;
        let (vmm, mut status) = self.spawn(handed)?;
        self.console = Tail::follow(console);
        let up = wait_until_running(&mut status, deadline);
        self.running = Some(Running { vmm, _status: status, ending: None });
        match up {
            Ok(true) => Ok(line),
            Ok(false) => Err(self.died_at_once()),
            Err(error) => {
                self.kill();
                Err(error)
            }
        }
    }

    fn usage(&mut self) -> Result<Reading, BackendError> {
        self.spec.cgroup.read()
    }

    fn wait(&mut self, deadline: Instant) -> Result<Ending, BackendError> {
        let Some(running) = &mut self.running else {
            return Err(BackendError::TimedOut { what: "the start of the microVM" });
        };
        if let Some(ending) = running.ending {
            return Ok(ending);
        }
        let mut ending = running.vmm.wait("the end of the microVM", deadline)?;
        if ending == Ending::Exited(0) && says_panic(&self.console.bytes()) {
            ending = Ending::Exited(PANIC_STATUS);
        }
        running.ending = Some(ending);
        Ok(ending)
    }

    fn kill(&mut self) {
        self.spec.cgroup.kill_all(Instant::now() + KILL_PATIENCE);
        if let Some(running) = &mut self.running {
            running.vmm.kill();
        }
    }

    fn console_tail(&self) -> Vec<u8> {
        [self.console.bytes(), self.errors.bytes()].concat()
    }

    fn destroy(&mut self) -> Vec<Leak> {
        // Whatever survives is in the cgroup, whose removal reports it.
        self.kill();
        Vec::new()
    }
}

impl Drop for KrunSandbox {
    fn drop(&mut self) {
        self.kill();
    }
}

fn says_panic(console: &[u8]) -> bool {
    console.windows(PANIC.len()).any(|part| part == PANIC)
}

#[cfg(test)]
mod tests;
