//! The two traits that every isolation technology implements.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Instant;

use isolde_model::{ByteSize, EnvironmentName, GuestNeeds, Leak, Readiness, Reading};

use crate::BackendError;
use crate::cgroup::Cgroup;

/// An isolation technology.
pub trait Backend: Send + Sync {
    /// Its name on the command line.
    fn name(&self) -> EnvironmentName;

    /// One line on what it is, without a full stop.
    fn description(&self) -> &'static str;

    /// Whether it can run on this host now, and if not, what brings it.
    /// Changes nothing and answers within two seconds, unless its daemon is one
    /// that the first connection starts.
    fn probe(&self) -> Readiness;

    /// The form of root file system that [`SandboxSpec::root`] must have.
    fn root_form(&self) -> RootForm;

    /// What the kernel and initramfs in [`SandboxSpec::kernel`] must be, where its
    /// sandboxes boot one of their own.
    fn guest(&self) -> Option<GuestNeeds> {
        None
    }

    /// Does once what all launches like `spec` share, such as loading the root file
    /// system into an engine: called before the first launch so that none is charged
    /// with it. [`Backend::create`] makes up for it where nobody did. What it puts into
    /// the spec's cgroup and scratch folder is gone when it returns.
    ///
    /// # Errors
    /// What could not be prepared and why.
    fn prepare(&self, _spec: &SandboxSpec) -> Result<(), BackendError> {
        Ok(())
    }

    /// Makes a sandbox without starting it. A failure leaves nothing behind.
    ///
    /// # Errors
    /// What could not be made and why.
    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, BackendError>;

    /// Gives back what was kept between sandboxes, such as an image loaded into
    /// an engine. Called once after the last sandbox; reports what stayed.
    fn retire(&self) -> Vec<Leak> {
        Vec::new()
    }

    /// Removes what programs of this kind that were killed have left in an
    /// engine, and what an engine keeps for the next run. What belongs to a
    /// living one, or to anybody else, stays.
    ///
    /// # Errors
    /// That the engine cannot be asked.
    fn sweep(&self) -> Result<Swept, BackendError> {
        Ok(Swept::default())
    }

    /// Removes what an engine keeps of one root file system between runs, for
    /// when it is removed from the cache. What a living program uses stays.
    ///
    /// # Errors
    /// That the engine cannot be asked.
    fn forget(&self, _root_digest: &str) -> Result<Swept, BackendError> {
        Ok(Swept::default())
    }
}

/// What was found of dead owners.
#[derive(Debug, Default)]
pub struct Swept {
    /// What was removed.
    pub removed: Vec<Leak>,
    /// What could not be removed, and why.
    pub stayed: Vec<Leak>,
}

/// One fresh sandbox. Dropping it without [`Sandbox::destroy`] also takes it
/// down, silently: the guard for panics and early returns.
pub trait Sandbox: Send {
    /// Starts it and gives the line to the agent. The agent's first byte may not
    /// have arrived yet. Called once.
    ///
    /// # Errors
    /// What could not be started and why; or that `deadline` passed.
    fn start(&mut self, deadline: Instant) -> Result<Line, BackendError>;

    /// When what isolates ran, where [`Sandbox::start`] waits for more than that;
    /// `None`: when it returned.
    fn running_since(&self) -> Option<Instant> {
        None
    }

    /// CPU and memory used so far, seen from the host, including daemons that
    /// work outside the sandbox's cgroup.
    ///
    /// # Errors
    /// Which counter could not be read.
    fn usage(&mut self) -> Result<Reading, BackendError>;

    /// Waits until everything in the sandbox has ended.
    ///
    /// # Errors
    /// [`BackendError::TimedOut`] when `deadline` passes first.
    fn wait(&mut self, deadline: Instant) -> Result<Ending, BackendError>;

    /// Ends it at once. Doing so twice, or after its end, is fine.
    fn kill(&mut self);

    /// The last lines of its console or standard error, bounded in size,
    /// exactly as they came: hostile bytes.
    fn console_tail(&self) -> Vec<u8>;

    /// Takes everything down and reports what stayed. Never panics. May be
    /// called twice; the second call reports nothing new.
    fn destroy(&mut self) -> Vec<Leak>;
}

/// The two directions of the byte stream between host and agent. Both ends
/// support poll(2). Closing the writer tells the agent to end.
#[derive(Debug)]
pub struct Line {
    /// What the agent writes.
    pub reader: OwnedFd,
    /// What the agent reads.
    pub writer: OwnedFd,
}

/// How a sandbox's first process or VMM ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
}

/// Forms of a root file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RootForm {
    /// A directory.
    Directory,
    /// An ext4 image without a journal.
    Ext4,
    /// A tar archive of the directory, as `docker import` takes it.
    Tar,
}

/// A kernel for environments that bring their own, with the initramfs that
/// loads its drivers and starts the agent from the root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestKernel {
    /// Kernel release, as `uname -r` says inside.
    pub release: String,
    /// The kernel image in the form that the back end named.
    pub image: PathBuf,
    /// The initramfs, uncompressed cpio.
    pub initramfs: PathBuf,
}

/// Everything a back end needs to make one sandbox.
#[derive(Debug)]
pub struct SandboxSpec {
    /// Unique on this host, `[a-z0-9-]`, at most 40 characters.
    pub id: String,
    /// Root file system in the form that the back end named. Read-only: it is
    /// shared by all launches. It holds the agent as `/isolde`, and empty
    /// `/dev`, `/proc`, `/sys`, `/tmp`, `/run`.
    pub root: PathBuf,
    /// SHA-256 of the root file system's content in hex; the same for every form.
    pub root_digest: String,
    /// Whether the application may write to its root file system, everywhere
    /// with the same effect: what it writes is its launch's own and goes with it.
    /// Otherwise only `/tmp` and `/run` can be written to.
    pub writable_root: bool,
    /// Kernel to boot, where the back end needs one.
    pub kernel: Option<GuestKernel>,
    /// An ext4 image with nothing but room, as much as a writable root has, where the
    /// back end's guests put their root together from two disks
    /// ([`GuestNeeds::overlay`]). Read-only: each launch has a copy of its own.
    pub room: Option<PathBuf>,
    /// CPUs of the host that the sandbox runs on; their number is the number of vCPUs.
    pub cpus: Vec<u32>,
    /// Memory limit, or memory of the VM.
    pub memory: ByteSize,
    /// The cgroup to run under, made and removed by the caller, with CPU set
    /// and (see [`Cgroup::limit_memory`]) no memory limit yet.
    pub cgroup: Cgroup,
    /// An empty folder for sockets and logs, removed by the caller.
    pub scratch: PathBuf,
}

/// Arguments that make the executable `/isolde` serve as agent over its
/// standard input and output.
pub(crate) const AGENT_ARGS: [&str; 1] = ["agent"];
