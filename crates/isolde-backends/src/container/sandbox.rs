//! One container and its line.

use std::os::fd::OwnedFd;
use std::time::Instant;

use isolde_model::{DaemonCpu, Leak, Reading};
use libcontainer::container::Container;

use super::destroy::mounts_below;
use crate::cgroup::Cgroup;
use crate::overlay::Overlay;
use crate::supervise::{Tail, Watched};
use crate::{BackendError, Ending, Line, Sandbox, SandboxSpec};

/// The bundle's folder in the scratch folder.
pub(super) const BUNDLE: &str = "bundle";
/// The folder of the runtime's state in the scratch folder.
pub(super) const STATE: &str = "state";

pub(super) struct ContainerSandbox {
    pub(super) spec: SandboxSpec,
    /// The container's own, below the sandbox's.
    pub(super) cgroup: Cgroup,
    /// Until start: the host's ends of standard input and output, and of
    /// standard error.
    pub(super) pipes: Option<(Line, OwnedFd)>,
    /// Where the root may be written to.
    pub(super) overlay: Option<Overlay>,
    pub(super) container: Option<Container>,
    pub(super) init: Option<Watched>,
    pub(super) errors: Tail,
    /// CPU of the runtime outside any cgroup of ours.
    pub(super) runtime_cpu_ns: u64,
    /// The last reading before the container was taken down.
    pub(super) last: Option<Reading>,
    pub(super) destroyed: bool,
    /// Mount points in root file system and scratch folder before there was a container.
    pub(super) mounts_before: Vec<String>,
}

impl ContainerSandbox {
    pub(super) fn new(spec: SandboxSpec, cgroup: Cgroup, line: Line, errors: OwnedFd) -> Self {
        Self {
            mounts_before: mounts_below(&spec),
            overlay: spec.writable_root.then(|| Overlay::new(&spec.root, &spec.scratch)),
            spec,
            cgroup,
            pipes: Some((line, errors)),
            container: None,
            init: None,
            errors: Tail::default(),
            runtime_cpu_ns: 0,
            last: None,
            destroyed: false,
        }
    }

    pub(super) fn read(&self) -> Result<Reading, BackendError> {
        let mut reading = self.spec.cgroup.read()?;
        reading
            .daemons
            .push(DaemonCpu { name: "libcontainer".into(), cpu_ns: self.runtime_cpu_ns });
        Ok(reading)
    }
}

impl Sandbox for ContainerSandbox {
    fn start(&mut self, deadline: Instant) -> Result<Line, BackendError> {
        self.start_agent(deadline)
    }

    fn usage(&mut self) -> Result<Reading, BackendError> {
        // v1 counts out-of-memory kills in the cgroup that destroy removes.
        self.last.clone().map_or_else(|| self.read(), Ok)
    }

    fn wait(&mut self, deadline: Instant) -> Result<Ending, BackendError> {
        // The first process is collected only when all others in its process
        // namespace are gone.
        match &mut self.init {
            Some(init) => init.wait("the end of the container", deadline),
            None => Err(BackendError::TimedOut { what: "the start of the container" }),
        }
    }

    fn kill(&mut self) {
        self.kill_all();
    }

    fn console_tail(&self) -> Vec<u8> {
        self.errors.bytes()
    }

    fn destroy(&mut self) -> Vec<Leak> {
        self.take_down()
    }
}

impl Drop for ContainerSandbox {
    fn drop(&mut self) {
        self.take_down();
    }
}
