//! `fake`: no isolation and no process at all. Its agent is a closure on a
//! thread, so that order, deadlines, crashes and leaks of a run are tested
//! without waiting.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use isolde_model::{EnvironmentName, Leak, Readiness, Reading, Ready};

use crate::{Backend, BackendError, Ending, Line, RootForm, Sandbox, SandboxSpec};

/// What stands in for the agent: it is handed the sandbox's end of the line and
/// the sandbox ends when it returns, with the status it returns.
pub type FakeAgent = Arc<dyn Fn(UnixStream) -> i32 + Send + Sync>;

/// A back end whose every answer is set in advance.
#[derive(Clone)]
pub struct Fake {
    /// Its name.
    pub name: &'static str,
    /// What it answers to a probe.
    pub readiness: Readiness,
    /// The agent.
    pub agent: FakeAgent,
    /// Makes `create` fail with this text.
    pub create_error: Option<&'static str>,
    /// What every sandbox leaves behind.
    pub leaks: Vec<Leak>,
    /// What every sandbox has used.
    pub reading: Reading,
}

impl Fake {
    /// A ready back end with this agent.
    pub fn new(
        name: &'static str,
        agent: impl Fn(UnixStream) -> i32 + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            readiness: Readiness::Ready(Ready::default()),
            agent: Arc::new(agent),
            create_error: None,
            leaks: Vec::new(),
            reading: Reading::default(),
        }
    }
}

impl Backend for Fake {
    fn name(&self) -> EnvironmentName {
        EnvironmentName::new(self.name)
    }

    fn description(&self) -> &'static str {
        "a thread that plays a sandbox, for tests"
    }

    fn probe(&self) -> Readiness {
        self.readiness.clone()
    }

    fn root_form(&self) -> RootForm {
        RootForm::Directory
    }

    fn create(&self, _spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError> {
        match self.create_error {
            Some(text) => Err(BackendError::tool("make a fake", text)),
            None => Ok(Box::new(FakeSandbox { fake: self.clone(), running: None, ending: None })),
        }
    }
}

struct FakeSandbox {
    fake: Fake,
    /// Our second handle of the line, to cut it, and where the status arrives.
    running: Option<(UnixStream, Receiver<i32>)>,
    ending: Option<Ending>,
}

impl Sandbox for FakeSandbox {
    fn start(&mut self, _deadline: Instant) -> Result<Line, BackendError> {
        let make = || -> std::io::Result<_> {
            let (host, agent) = UnixStream::pair()?;
            let cut = agent.try_clone()?;
            Ok((host.try_clone()?, host, agent, cut))
        };
        let (reader, writer, agent_end, cut) =
            make().map_err(|source| BackendError::os("make a socket pair", source))?;
        let (send, receive) = channel();
        let agent = Arc::clone(&self.fake.agent);
        let end = cut.try_clone().map_err(|source| BackendError::os("copy a socket", source))?;
        std::thread::spawn(move || {
            let status = agent(agent_end);
            // A process that ends closes all of its copies.
            let _ = end.shutdown(std::net::Shutdown::Both);
            send.send(status)
        });
        self.running = Some((cut, receive));
        Ok(Line { reader: OwnedFd::from(reader), writer: OwnedFd::from(writer) })
    }

    fn usage(&mut self) -> Result<Reading, BackendError> {
        Ok(self.fake.reading.clone())
    }

    fn wait(&mut self, deadline: Instant) -> Result<Ending, BackendError> {
        if let Some(ending) = self.ending {
            return Ok(ending);
        }
        let what = "the end of the fake";
        let Some((_, receive)) = &self.running else {
            return Err(BackendError::TimedOut { what });
        };
        let ending = match receive.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(status) => Ending::Exited(status),
            Err(RecvTimeoutError::Timeout) => return Err(BackendError::TimedOut { what }),
            // The agent panicked.
            Err(RecvTimeoutError::Disconnected) => Ending::Signalled(6),
        };
        self.ending = Some(ending);
        Ok(ending)
    }

    fn kill(&mut self) {
        if let Some((cut, _)) = &self.running {
            let _ = cut.shutdown(std::net::Shutdown::Both);
        }
    }

    fn console_tail(&self) -> Vec<u8> {
        b"fake console\n".to_vec()
    }

    fn destroy(&mut self) -> Vec<Leak> {
        self.kill();
        std::mem::take(&mut self.fake.leaks)
    }
}
