//! One virtual machine.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use isolde_model::{LINE_PORT, Leak, Reading};

use super::machine;
use super::place::{Place, UPPER};
use super::process::Firecracker;
use super::snapshot::{Snapshot, news};
use crate::{BackendError, Ending, GuestKernel, Line, Sandbox, SandboxSpec, vmm};

/// How a machine comes about.
pub(super) enum Beginning {
    Boot(GuestKernel),
    Thaw(Arc<Snapshot>),
}

pub(super) struct FirecrackerSandbox {
    program: PathBuf,
    beginning: Beginning,
    spec: SandboxSpec,
    place: Place,
    firecracker: Option<Firecracker>,
    running_since: Option<Instant>,
}

impl FirecrackerSandbox {
    /// Puts everything into the spec's scratch folder.
    pub(super) fn make(
        program: PathBuf,
        beginning: Beginning,
        spec: SandboxSpec,
    ) -> Result<Self, BackendError> {
        let place = Place::open(&spec.scratch)?;
        match &beginning {
            Beginning::Boot(kernel) => machine::furnish(&place, &spec, kernel)?,
            Beginning::Thaw(snapshot) => snapshot.furnish(&place, &spec)?,
        }
        Ok(Self { program, beginning, spec, place, firecracker: None, running_since: None })
    }

    fn bring_up(&mut self, deadline: Instant) -> Result<Line, BackendError> {
        // It must be there before the guest connects.
        let listener = self.place.listen(LINE_PORT)?;
        let command = machine::command(&self.program, &self.place, &self.spec.id);
        let firecracker = Firecracker::spawn(command, &self.spec.cgroup)?;
        let firecracker = self.firecracker.insert(firecracker);
        let mut control = firecracker.control(&self.place, deadline)?;
        match &self.beginning {
            Beginning::Boot(_) => {
                machine::describe(&mut control, &self.spec, false)?;
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
