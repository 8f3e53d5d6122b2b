//! Control groups: what every sandbox is held in and counted by.
//!
//! Isolde makes `isolde/<run>/<sandbox>` in each hierarchy it needs. Engines
//! with a cgroup of their own (Docker, libcontainer) put it below; the kernel
//! counts hierarchically, so the sum stays readable here after theirs is gone.

mod hierarchy;
mod v1;
mod v2;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use isolde_model::{ByteSize, Leak, Missing, Reading};

use crate::BackendError;
pub use hierarchy::{Hierarchy, Version};

/// A cgroup made by Isolde. Its last clone's drop removes it silently;
/// [`Cgroup::remove`] does so and reports.
#[derive(Debug, Clone)]
pub struct Cgroup(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hierarchy: Arc<dyn Hierarchy>,
    name: String,
    /// The cgroup that this one was made below and that outlives it.
    parent: Option<Cgroup>,
    /// Nothing is left to be done on drop.
    is_removed: AtomicBool,
}

const PERMISSION_HINT: &str = "cgroups belong to root here: run with sudo";

impl Cgroup {
    /// Makes the cgroup `name` (a relative path such as `isolde/run/3`) with
    /// its processes held to `cpus`.
    ///
    /// # Errors
    /// Which directory or control file could not be made or written.
    pub fn create(
        hierarchy: &Arc<dyn Hierarchy>,
        name: &str,
        cpus: &[u32],
    ) -> Result<Self, BackendError> {
        Self::make(hierarchy, name.to_owned(), None, cpus)
    }

    /// Makes the cgroup `name` below this one, its processes held to `cpus`. It
    /// keeps this one from being removed by drop, and its own removal leaves this
    /// one in place.
    ///
    /// # Errors
    /// As [`Cgroup::create`].
    pub fn create_below(&self, name: &str, cpus: &[u32]) -> Result<Self, BackendError> {
        let name = format!("{}/{name}", self.0.name);
        Self::make(&self.0.hierarchy, name, Some(self.clone()), cpus)
    }

    /// The same for an engine that enters it itself.
    pub(crate) fn child(&self, name: &str, cpus: &[u32]) -> Result<Self, BackendError> {
        let child = self.create_below(name, cpus)?;
        persist(|| self.0.hierarchy.create_for_engine(&child.0.name))
            .map_err(|error| child.explain(error))?;
        Ok(child)
    }

    fn make(
        hierarchy: &Arc<dyn Hierarchy>,
        name: String,
        parent: Option<Self>,
        cpus: &[u32],
    ) -> Result<Self, BackendError> {
        let hierarchy = Arc::clone(hierarchy);
        let cgroup = Self::of(hierarchy, name, parent);
        let cpus = cpu_list(cpus);
        let made = persist(|| cgroup.0.hierarchy.create(&cgroup.0.name, &cpus));
        made.map_err(|error| cgroup.explain(error))?;
        Ok(cgroup)
    }

    fn of(hierarchy: Arc<dyn Hierarchy>, name: String, parent: Option<Self>) -> Self {
        Self(Arc::new(Inner { hierarchy, name, parent, is_removed: AtomicBool::new(false) }))
    }

    fn explain(&self, (path, source): (PathBuf, io::Error)) -> BackendError {
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                BackendError::NotPermitted {
                    action: format!("make or use the cgroup {}", path.display()),
                    hint: PERMISSION_HINT,
                }
            }
            _ => BackendError::file("use the cgroup", path, source),
        }
    }

    /// The path below the root of each hierarchy, with a leading slash: what
    /// engines take as a cgroup parent.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}", self.0.name)
    }

    /// Its directory in each hierarchy that it is held and counted in.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let files = self.0.hierarchy.procs_files(&self.0.name);
        files.iter().filter_map(|file| file.parent()).map(Into::into).collect()
    }

    /// Version of the file system it lives in.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.hierarchy.version()
    }

    /// Limits the memory of everything in it, swap included.
    ///
    /// # Errors
    /// Which control file refused.
    pub fn limit_memory(&self, limit: ByteSize) -> Result<(), BackendError> {
        self.0
            .hierarchy
            .limit_memory(&self.0.name, limit.bytes())
            .map_err(|error| self.explain(error))
    }

    /// Makes `command` start inside: no instruction of it runs outside.
    ///
    /// # Errors
    /// Which `cgroup.procs` could not be opened.
    pub fn hold(&self, command: &mut Command) -> Result<(), BackendError> {
        let mut doors: Vec<File> = Vec::new();
        for path in self.0.hierarchy.procs_files(&self.0.name) {
            let door = OpenOptions::new().write(true).open(&path);
            doors.push(door.map_err(|source| self.explain((path, source)))?);
        }
        let enter = move || {
            // "0" names the writing process itself.
            doors.iter().try_for_each(|door| {
                rustix::io::write(door, b"0").map(|_| ()).map_err(io::Error::from)
            })
        };
        // SAFETY: between fork and exec the closure only calls write(2) on
        // descriptors opened before; it neither allocates nor takes locks.
        unsafe { command.pre_exec(enter) };
        Ok(())
    }

    /// CPU, memory and out-of-memory kills so far; no daemons.
    ///
    /// # Errors
    /// Which counter could not be read.
    pub fn read(&self) -> Result<Reading, BackendError> {
        self.0.hierarchy.read(&self.0.name).map_err(|error| self.explain(error))
    }

    /// Process ids in it and below it.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.0.hierarchy.processes(&self.0.name)
    }

    /// Ends every process in it and below it and waits until `deadline` for the
    /// kernel to let go of them. Returns those that are still there.
    pub fn kill_all(&self, deadline: Instant) -> Vec<u32> {
        loop {
            let processes = self.processes();
            if processes.is_empty() {
                return processes;
            }
            for pid in &processes {
                let pid = i32::try_from(*pid).ok().and_then(rustix::process::Pid::from_raw);
                if let Some(pid) = pid {
                    // It may have ended since it was listed.
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
            if Instant::now() >= deadline {
                return self.processes();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills what is left in it, removes it and reports what stayed.
    #[must_use]
    pub fn remove(&self) -> Vec<Leak> {
        let survivors = self.kill_all(Instant::now() + REMOVE_PATIENCE);
        let mut leaks: Vec<Leak> = survivors
            .iter()
            .map(|pid| Leak::new("process", format!("{pid} in cgroup {}", self.0.name)))
            .collect();
        if let Err((path, source)) = self.0.remove() {
            leaks.push(Leak::new("cgroup", format!("{}: {source}", path.display())));
        }
        leaks
    }
}

/// A killed process may take this long to leave its cgroup on a loaded device.
const REMOVE_PATIENCE: Duration = Duration::from_secs(5);

impl Inner {
    fn remove(&self) -> Result<(), (PathBuf, io::Error)> {
        self.hierarchy.remove(&self.name, REMOVE_PATIENCE)?;
        if self.parent.is_none() {
            self.hierarchy.remove_empty_parents(&self.name);
        }
        self.is_removed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if *self.is_removed.get_mut() {
            return;
        }
        for pid in self.hierarchy.processes(&self.name) {
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        let _ = self.remove();
    }
}

/// The hierarchy of this host.
///
/// # Errors
/// That no usable cgroup file system is mounted.
pub fn host_hierarchy() -> Result<Arc<dyn Hierarchy>, BackendError> {
    hierarchy::detect()
}

/// Removes the cgroups `parent/<name>` for whose name `is_stale` says yes, with
/// every process in them, and says which were removed.
pub fn remove_stale(
    hierarchy: &Arc<dyn Hierarchy>,
    parent: &str,
    is_stale: &dyn Fn(&str) -> bool,
) -> Vec<Leak> {
    let mut names = hierarchy.children(parent);
    names.retain(|name| is_stale(name));
    names
        .into_iter()
        .map(|name| format!("{parent}/{name}"))
        .filter(|name| Cgroup::of(Arc::clone(hierarchy), name.clone(), None).remove().is_empty())
        .map(|name| Leak::new("cgroup", name))
        .collect()
}

/// Whether cgroups can be made, tried by making one.
pub(crate) fn check_permission() -> Result<Version, Missing> {
    let hierarchy = host_hierarchy().map_err(|error| missing(&error))?;
    // Named as a run's, so that cleaning finds it should this program be killed now.
    let name = format!("isolde/{}-probe", std::process::id());
    let cgroup = Cgroup::create(&hierarchy, &name, &[0]).map_err(|error| missing(&error))?;
    match cgroup.remove().first() {
        None => Ok(hierarchy.version()),
        Some(leak) => Err(Missing {
            what: format!("a cgroup cannot be removed: {}", leak.detail),
            hint: "look at what else manages cgroups here".into(),
            packages: Vec::new(),
        }),
    }
}

fn missing(error: &BackendError) -> Missing {
    let (what, hint) = match error {
        BackendError::NotPermitted { action, hint } => {
            (format!("no permission to {action}"), (*hint).to_owned())
        }
        BackendError::Missing { what, hint } => (what.clone(), hint.clone()),
        other => (other.to_string(), "see `isolde doctor`".to_owned()),
    };
    Missing { what, hint, packages: Vec::new() }
}

/// Tries again when a directory is missing: whoever removes a cgroup at the same
/// time also removes the parents that it finds empty, maybe just made ones.
fn persist(
    mut make: impl FnMut() -> Result<(), (PathBuf, io::Error)>,
) -> Result<(), (PathBuf, io::Error)> {
    const TRIES: usize = 100;
    let missing = |made: &Result<(), (PathBuf, io::Error)>| {
        made.as_ref().is_err_and(|(_, error)| error.kind() == io::ErrorKind::NotFound)
    };
    let mut made = make();
    for _ in 1..TRIES {
        if !missing(&made) {
            break;
        }
        made = make();
    }
    made
}

/// `0,1,2` as control files take it.
fn cpu_list(cpus: &[u32]) -> String {
    cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}
