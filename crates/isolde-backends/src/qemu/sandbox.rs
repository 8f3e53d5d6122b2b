//! One virtual machine.

use std::time::{Duration, Instant};

use isolde_model::{Leak, Reading};

use super::command::{OurEnds, channels, qemu};
use super::machine::{Accelerator, Machine, PROGRAM};
use super::port::Port;
use super::qmp::{GuestEnd, Qmp};
use crate::supervise::{Supervised, Tail};
use crate::vmm::{self, last_line};
use crate::{BackendError, Ending, GuestKernel, Line, Sandbox, SandboxSpec};

pub(super) struct QemuSandbox {
    machine: &'static Machine,
    spec: SandboxSpec,
    kernel: GuestKernel,
    accelerator: Accelerator,
    ports: Vec<Port>,
    running: Option<Running>,
    console: Tail,
    errors: Tail,
}

struct Running {
    qemu: Supervised,
    control: Qmp,
    ending: Option<Ending>,
}

/// Reported for a guest that reset its machine, which is what a kernel does
/// that panicked. QEMU itself ends with 0 then, as after a power-off.
const RESET_STATUS: i32 = 1;

/// QEMU's last words are in its channels when it has ended.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(1);

/// A killed process may take this long to end on a loaded device.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

impl QemuSandbox {
    pub(super) fn new(
        machine: &'static Machine,
        accelerator: Accelerator,
        spec: SandboxSpec,
        kernel: GuestKernel,
        ports: Vec<Port>,
    ) -> Self {
        let (console, errors) = (Tail::default(), Tail::default());
        Self { machine, spec, kernel, accelerator, ports, running: None, console, errors }
    }

    /// What QEMU said before it ended.
    fn died_at_once(&mut self, ending: Ending) -> BackendError {
        let words = last_line(&self.errors);
        BackendError::DiedAtOnce {
            what: PROGRAM.to_owned(),
            said: words.unwrap_or_else(|| match ending {
                Ending::Exited(status) => format!("it said nothing and exited with {status}"),
                Ending::Signalled(signal) => format!("it said nothing, signal {signal}"),
            }),
        }
    }
}

impl Sandbox for QemuSandbox {
    fn start(&mut self, deadline: Instant) -> Result<Line, BackendError> {
        let (OurEnds { line: stream, console, control }, ends) =
            channels(std::mem::take(&mut self.ports))?;
        let line = vmm::line(stream)?;
        let mut qemu = {
            let mut command = qemu(self.machine, &self.accelerator, &self.spec, &self.kernel, ends);
            self.spec.cgroup.hold(&mut command)?;
            Supervised::spawn(&mut command)?
            // Our copies of QEMU's ends go with the command, or the end of QEMU
            // would not be the end of the line.
        };
        self.console = Tail::follow(console);
        if let Some(errors) = qemu.child().stderr.take() {
            self.errors = Tail::follow(errors);
        }
        let mut control = Qmp::new(control);
        let up = control.wait_until_running(deadline);
        let running = self.running.insert(Running { qemu, control, ending: None });
        match up {
            Ok(()) => Ok(line),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                self.kill();
                Err(BackendError::TimedOut { what: "the start of QEMU" })
            }
            Err(error) => {
                let grace = Instant::now() + LAST_WORDS_PATIENCE;
                match running.qemu.wait("the end of QEMU", grace) {
                    Ok(ending) => Err(self.died_at_once(ending)),
                    Err(_) => {
                        self.kill();
                        Err(BackendError::tool("speak with QEMU", error))
                    }
                }
            }
        }
    }

    fn usage(&mut self) -> Result<Reading, BackendError> {
        self.spec.cgroup.read()
    }

    fn wait(&mut self, deadline: Instant) -> Result<Ending, BackendError> {
        let Some(running) = &mut self.running else {
            return Err(BackendError::TimedOut { what: "the start of QEMU" });
        };
        if let Some(ending) = running.ending {
            return Ok(ending);
        }
        let mut ending = running.qemu.wait("the end of QEMU", deadline)?;
        if ending == Ending::Exited(0)
            && running.control.guest_end(Instant::now() + LAST_WORDS_PATIENCE) == GuestEnd::Reset
        {
            ending = Ending::Exited(RESET_STATUS);
        }
        running.ending = Some(ending);
        Ok(ending)
    }

    fn kill(&mut self) {
        self.spec.cgroup.kill_all(Instant::now() + KILL_PATIENCE);
        if let Some(running) = &mut self.running {
            running.qemu.kill();
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

impl Drop for QemuSandbox {
    fn drop(&mut self) {
        self.kill();
    }
}
