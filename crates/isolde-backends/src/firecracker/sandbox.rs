//! One virtual machine.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use isolde_model::{LINE_PORT, Leak, Reading};

use super::machine;
use super::options::CpuTemplate;
use super::place::{Place, UPPER};
use super::process::Firecracker;
use super::snapshot::{Snapshot, news};
use crate::{BackendError, Ending, GuestKernel, Line, Sandbox, SandboxSpec, vmm};

/// How a machine comes about.
pub(super) enum Beginning {
    Boot(GuestKernel, Option<CpuTemplate>),
    Thaw(Arc<Snapshot>),
}

pub(super) struct FirecrackerSandbox {
    beginning: Beginning,
    spec: SandboxSpec,
    place: Place,
    firecracker: Option<Firecracker>,
    running_since: Option<Instant>,
}

impl FirecrackerSandbox {
    /// Puts everything that the machine is made from into `place`.
    pub(super) fn make(
        mut place: Place,
        beginning: Beginning,
        spec: SandboxSpec,
    ) -> Result<Self, BackendError> {
        match &beginning {
            Beginning::Boot(kernel, _) => machine::furnish(&mut place, &spec, kernel)?,
            Beginning::Thaw(snapshot) => snapshot.furnish(&mut place, &spec)?,
        }
        Ok(Self { beginning, spec, place, firecracker: None, running_since: None })
    }

    fn bring_up(&mut self, deadline: Instant) -> Result<Line, BackendError> {
        // It must be there before the guest connects.
        let listener = self.place.listen(LINE_PORT)?;
        let command = self.place.command(&self.spec.id)?;
        let firecracker = Firecracker::spawn(command, &self.spec.cgroup)?;
        let firecracker = self.firecracker.insert(firecracker);
        let mut control = firecracker.control(&self.place, deadline)?;
        match &self.beginning {
            Beginning::Boot(_, template) => {
                machine::describe(&mut control, &self.spec, template.as_ref(), false)?;
                machine::start(&mut control)?;
            }
            Beginning::Thaw(_) => machine::thaw(&mut control)?,
        }
        self.running_since = Some(Instant::now());
        if self.spec.writable_root {
            self.place.unname(UPPER)?;
        }
        let mut stream = firecracker.accept(&listener, deadline)?;
        if let Beginning::Thaw(_) = self.beginning {
            stream
                .write_all(&news()?.to_bytes())
                .map_err(|source| BackendError::os("tell the guest the time", source))?;
        }
        vmm::line(stream)
    }
}

impl Sandbox for FirecrackerSandbox {
    fn start(&mut self, deadline: Instant) -> Result<Line, BackendError> {
        let started = self.bring_up(deadline);
        if started.is_err() {
            self.kill();
        }
        started
    }

    fn running_since(&self) -> Option<Instant> {
        self.running_since
    }

    fn usage(&mut self) -> Result<Reading, BackendError> {
        self.spec.cgroup.read()
    }

    fn wait(&mut self, deadline: Instant) -> Result<Ending, BackendError> {
        match &mut self.firecracker {
            Some(firecracker) => firecracker.wait(deadline),
            None => Err(BackendError::TimedOut { what: "the start of Firecracker" }),
        }
    }

    fn kill(&mut self) {
        if let Some(firecracker) = &mut self.firecracker {
            firecracker.kill();
        }
    }

    fn console_tail(&self) -> Vec<u8> {
        self.firecracker.as_ref().map(Firecracker::console_tail).unwrap_or_default()
    }

    fn destroy(&mut self) -> Vec<Leak> {
        // Whatever survives is in the cgroup, whose removal reports it.
        self.kill();
        Vec::new()
    }
}
