//! One process and its line.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use isolde_model::{Leak, Reading};

use crate::sandbox::AGENT_ARGS;
use crate::supervise::{Supervised, Tail};
use crate::{BackendError, Ending, Line, Sandbox, SandboxSpec};

pub(super) struct ProcessSandbox {
    spec: SandboxSpec,
    agent: Option<Supervised>,
    errors: Tail,
}

impl ProcessSandbox {
    pub(super) fn new(spec: SandboxSpec) -> Self {
        Self { spec, agent: None, errors: Tail::default() }
    }
}

impl Sandbox for ProcessSandbox {
    fn start(&mut self, _deadline: Instant) -> Result<Line, BackendError> {
        let mut command = Command::new(self.spec.root.join("isolde"));
        command
            .args(AGENT_ARGS)
            // The other environments hand down no variables of the host either.
            .env_clear()
            .current_dir(&self.spec.root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.spec.cgroup.hold(&mut command)?;
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
        self.spec.cgroup.read()
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
        self.kill();
        Vec::new()
    }
}

impl Drop for ProcessSandbox {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A killed process may take this long to end on a loaded device.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
