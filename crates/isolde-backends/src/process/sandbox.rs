//! One process and its line.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use isolde_model::{DaemonCpu, Leak, Reading};

use super::view::View;
use crate::limits;
use crate::overlay::Overlay;
use crate::sandbox::AGENT_ARGS;
use crate::supervise::{Supervised, Tail};
use crate::{BackendError, Ending, Line, Sandbox, SandboxSpec};

pub(super) struct ProcessSandbox {
    spec: SandboxSpec,
    agent: Option<Supervised>,
    errors: Tail,
    /// Where the root may be written to.
    overlay: Option<Overlay>,
    /// CPU of this program for it.
    mounts_cpu_ns: Option<u64>,
}

impl ProcessSandbox {
    pub(super) fn new(spec: SandboxSpec) -> Self {
        let overlay = spec.writable_root.then(|| Overlay::new(&spec.root, &spec.scratch));
        Self { spec, agent: None, errors: Tail::default(), overlay, mounts_cpu_ns: None }
    }

    /// The agent's command, with what it sees as its root.
    fn command(&mut self) -> Result<Command, BackendError> {
        let Some(overlay) = &self.overlay else {
            let mut command = Command::new(self.spec.root.join("isolde"));
            command.current_dir(&self.spec.root);
            self.spec.cgroup.hold(&mut command)?;
            return Ok(command);
        };
        let view = View::make(overlay)?;
        self.mounts_cpu_ns = Some(view.cpu_ns);
        let mut command = Command::new("/isolde");
        self.spec.cgroup.hold(&mut command)?;
        view.enter(&mut command);
        Ok(command)
    }

    fn clear(&mut self) -> Vec<Leak> {
        self.kill();
        self.overlay.take().and_then(|overlay| overlay.remove()).into_iter().collect()
    }
}

impl Sandbox for ProcessSandbox {
    fn start(&mut self, _deadline: Instant) -> Result<Line, BackendError> {
        let mut command = self.command()?;
        command
            .args(AGENT_ARGS)
            // The other environments hand down no variables of the host either.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        limits::give(&mut command);
        let agent = self.agent.insert(Supervised::spawn(&mut command)?);
        let pipes = agent.child();
        let (Some(writer), Some(reader), Some(errors)) =
            (pipes.stdin.take(), pipes.stdout.take(), pipes.stderr.take())
        else {
            return Err(BackendError::os("take the pipes", rustix::io::Errno::BADF));
        };
        self.errors = Tail::follow(errors);
        Ok(Line { reader: reader.into(), writer: writer.into() })
    }

    fn usage(&mut self) -> Result<Reading, BackendError> {
        let mut reading = self.spec.cgroup.read()?;
        let mounts = self.mounts_cpu_ns.map(|cpu_ns| DaemonCpu { name: "isolde".into(), cpu_ns });
        reading.daemons.extend(mounts);
        Ok(reading)
    }

    fn wait(&mut self, deadline: Instant) -> Result<Ending, BackendError> {
        match &mut self.agent {
            Some(agent) => agent.wait("the end of the process", deadline),
            None => Err(BackendError::TimedOut { what: "the start of the process" }),
        }
    }

    fn kill(&mut self) {
        self.spec.cgroup.kill_all(Instant::now() + KILL_PATIENCE);
        if let Some(agent) = &mut self.agent {
            agent.kill();
        }
    }

    fn console_tail(&self) -> Vec<u8> {
        self.errors.bytes()
    }

    fn destroy(&mut self) -> Vec<Leak> {
        // Whatever survives is in the cgroup, whose removal reports it.
        self.clear()
    }
}

impl Drop for ProcessSandbox {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A killed process may take this long to end on a loaded device.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
