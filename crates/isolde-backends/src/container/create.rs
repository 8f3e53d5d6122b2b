//! Making a container up to the point at which its first process waits.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::error::LibcontainerError;
use libcontainer::syscall::syscall::SyscallType;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, dumpable_behavior, kill_process,
    set_dumpable_behavior, waitpid,
};

use super::account::Intermediate;
use super::apart::{OwnChildren, run_apart};
use super::bundle::{self, ContainerRoot};
use super::executor::AgentExecutor;
use super::loopback;
use super::sandbox::{BUNDLE, ContainerSandbox, STATE};
use crate::cgroup::Cgroup;
use crate::overlay::{Overlay, set_mounts_apart};
use crate::supervise::Watched;
use crate::{BackendError, Line, SandboxSpec};

/// What the container's first process reads and writes: 0, 1 and 2.
type Ends = Vec<OwnedFd>;

pub(super) fn create(spec: SandboxSpec) -> Result<ContainerSandbox, BackendError> {
    // The parent holds no process itself, as v2 demands. Made here, the child
    // has its CPUs and memory limit before any process is in it, and
    // libcontainer leaves the controllers of all above it alone.
    let cgroup = spec.cgroup.child("container", &spec.cpus)?;
    cgroup.limit_memory(spec.memory)?;
    let (line, errors, ends) = pipes().map_err(|source| BackendError::os("make pipes", source))?;
    let mut sandbox = ContainerSandbox::new(spec, cgroup, line, errors);

    let deadline = Instant::now() + CREATE_PATIENCE;
    let work = Work::of(&sandbox);
    let ends = Arc::new(ends);
    let built = run_apart(ACTION, deadline, &ends, move |ends| work.build(ends))?;
    drop(ends);
    if Instant::now() >= deadline {
        return Err(BackendError::TimedOut { what: ACTION });
    }
    let made = built.value?;
    sandbox.runtime_cpu_ns = built.cpu_ns + made.outside_ns;
    sandbox.init = Some(adopt(&made.container)?);
    sandbox.container = Some(made.container);
    Ok(sandbox)
}

const ACTION: &str = "make the container";

/// Creation takes tens of milliseconds; this is for a device on its knees.
const CREATE_PATIENCE: Duration = Duration::from_secs(30);

fn pipes() -> rustix::io::Result<(Line, OwnedFd, Ends)> {
    let (input, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let (reader, output) = pipe_with(PipeFlags::CLOEXEC)?;
    let (errors, complaints) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((Line { reader, writer }, errors, vec![input, output, complaints]))
}

/// What the thread apart needs to know.
struct Work {
    id: String,
    root: PathBuf,
    scratch: PathBuf,
    cgroup: Cgroup,
    overlay: Option<Overlay>,
}

/// A container and what making it cost outside its cgroup.
struct Made {
    container: Container,
    outside_ns: u64,
}

impl Work {
    fn of(sandbox: &ContainerSandbox) -> Self {
        Self {
            id: sandbox.spec.id.clone(),
            root: sandbox.spec.root.clone(),
            scratch: sandbox.spec.scratch.clone(),
            cgroup: sandbox.cgroup.clone(),
            overlay: sandbox.overlay.clone(),
        }
    }

    /// Mounts what shall be writable and writes down what the container is.
    fn describe(&self, bundle: &Path) -> Result<(), BackendError> {
        let Some(overlay) = &self.overlay else {
            let root = ContainerRoot { path: &self.root, writable: false };
            return bundle::write(root, &self.cgroup, bundle);
        };
        set_mounts_apart()?;
        overlay.mount()?;
        let root = ContainerRoot { path: &overlay.place(), writable: true };
        bundle::write(root, &self.cgroup, bundle)
    }

    fn build(self, ends: Ends) -> Result<Made, BackendError> {
        let bundle = self.scratch.join(BUNDLE);
        self.describe(&bundle)?;
        let mut children = OwnChildren::guard();
        let intermediate = Intermediate::measure();
        let dumpable = dumpable_behavior().unwrap_or(DumpableBehavior::Dumpable);
        let built = self.run(&bundle, ends);
        // The crate leaves this whole program undumpable.
        let _ = set_dumpable_behavior(dumpable);
        let container = built.map_err(|source| BackendError::tool(ACTION, source))?;
        let first = container.pid().map_or(0, |pid| pid.as_raw());
        loopback::raise(first)
            .map_err(|source| BackendError::os("bring the container's loopback up", source))?;
        children.keep();
        let outside_ns = intermediate.outside_ns(&self.cgroup, first);
        Ok(Made { container, outside_ns })
    }

    fn run(&self, bundle: &Path, ends: Ends) -> Result<Container, LibcontainerError> {
        // A copy of this thread flushes what is left in the program's buffer.
        let _ = std::io::stdout().flush();
        let mut builder = ContainerBuilder::new(self.id.clone(), SyscallType::default())
            .with_root_path(self.scratch.join(STATE))?
            .with_executor(AgentExecutor);
        let mut ends = ends.into_iter();
        if let (Some(input), Some(output), Some(errors)) = (ends.next(), ends.next(), ends.next()) {
            builder = builder.with_stdin(input).with_stdout(output).with_stderr(errors);
        }
        builder.as_init(bundle).with_systemd(false).with_detach(true).build()
    }
}

/// Watches the container's first process, which is a child of this program:
/// libcontainer makes it a sibling of its intermediate process.
fn adopt(container: &Container) -> Result<Watched, BackendError> {
    let refuse = |source| BackendError::os("watch the container", source);
    let pid = container.pid().and_then(|pid| Pid::from_raw(pid.as_raw()));
    let pid = pid.ok_or_else(|| refuse(rustix::io::Errno::SRCH.into()))?;
    Watched::new(pid).map_err(|source| {
        let _ = kill_process(pid, Signal::KILL);
        let _ = waitpid(Some(pid), WaitOptions::empty());
        refuse(source)
    })
}
