//! One tree per controller.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isolde_model::Reading;

use super::hierarchy::{
    Hierarchy, PathResult, Version, child_names, keyed, processes_below, read_number, read_text,
    remove_below, remove_empty_parents, write,
};

/// Roots of the controllers in use.
#[derive(Debug)]
pub(super) struct V1 {
    cpuacct: PathBuf,
    memory: Option<PathBuf>,
    cpuset: Option<PathBuf>,
    /// Every root once; controllers may be mounted together.
    roots: Vec<PathBuf>,
    /// Every cgroup mount. Engines make our path in all of them and remove only
    /// its last part.
    mounts: Vec<PathBuf>,
}

impl V1 {
    /// `None` where CPU time is not counted by a v1 controller.
    pub(super) fn new(
        controllers: &BTreeMap<String, PathBuf>,
        mounts: Vec<PathBuf>,
    ) -> Option<Self> {
        let cpuacct = controllers.get("cpuacct")?.clone();
        let memory = controllers.get("memory").cloned();
        let cpuset = controllers.get("cpuset").cloned();
        let mut roots: Vec<PathBuf> = [Some(&cpuacct), memory.as_ref(), cpuset.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        roots.sort();
        roots.dedup();
        Some(Self { cpuacct, memory, cpuset, roots, mounts })
    }
}

impl Hierarchy for V1 {
    fn version(&self) -> Version {
        Version::V1
    }

    fn create(&self, name: &str, cpu_list: &str) -> PathResult<()> {
        for root in &self.roots {
            let directory = root.join(name);
            fs::create_dir_all(&directory).map_err(|source| (directory, source))?;
        }
        match &self.cpuset {
            Some(root) => hold_to_cpus(root, name, cpu_list),
            None => Ok(()),
        }
    }

    fn create_for_engine(&self, name: &str) -> PathResult<()> {
        self.mounts.iter().try_for_each(|root| {
            let directory = root.join(name);
            match fs::create_dir_all(&directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err((directory, error)),
                // What it needs and cannot have the engine itself will say.
                _ => Ok(()),
            }
        })
    }

    fn limit_memory(&self, name: &str, bytes: u64) -> PathResult<()> {
        let Some(root) = &self.memory else { return Ok(()) };
        let directory = root.join(name);
        write(&directory.join("memory.limit_in_bytes"), &bytes.to_string())?;
        // Present only where the kernel accounts for swap.
        let swap = directory.join("memory.memsw.limit_in_bytes");
        if swap.exists() { write(&swap, &bytes.to_string()) } else { Ok(()) }
    }

    fn procs_files(&self, name: &str) -> Vec<PathBuf> {
        self.roots.iter().map(|root| root.join(name).join("cgroup.procs")).collect()
    }

    fn read(&self, name: &str) -> PathResult<Reading> {
        let cpuacct = self.cpuacct.join(name);
        let mut reading = Reading {
            cpu_ns: read_number(&cpuacct.join("cpuacct.usage"))?,
            cpu_user_ns: read_number(&cpuacct.join("cpuacct.usage_user")).ok(),
            cpu_system_ns: read_number(&cpuacct.join("cpuacct.usage_sys")).ok(),
            ..Reading::default()
        };
        if let Some(root) = &self.memory {
            let directory = root.join(name);
            reading.memory_peak_bytes =
                Some(read_number(&directory.join("memory.max_usage_in_bytes"))?);
            reading.oom_kills = oom_kills_below(&directory)?;
        }
        Ok(reading)
    }

    fn processes(&self, name: &str) -> Vec<u32> {
        let mut all: Vec<u32> =
            self.roots.iter().flat_map(|root| processes_below(&root.join(name))).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn children(&self, name: &str) -> Vec<String> {
        child_names(self.mounts.iter().map(|root| root.join(name)))
    }

    fn remove(&self, name: &str, patience: Duration) -> PathResult<()> {
        self.mounts.iter().try_for_each(|root| remove_below(&root.join(name), patience))
    }

    fn remove_empty_parents(&self, name: &str) {
        for root in &self.mounts {
            remove_empty_parents(root, name);
        }
    }
}

/// A v1 cpuset is born empty and takes no process before it has CPUs and memory
/// nodes, and a child can only have what its parent has: filled from the top.
fn hold_to_cpus(root: &Path, name: &str, cpu_list: &str) -> PathResult<()> {
    let nodes = read_text(&root.join("cpuset.mems"))?;
    let all_cpus = read_text(&root.join("cpuset.cpus"))?;
    let mut directory = root.to_owned();
    let mut parts = Path::new(name).components().peekable();
    while let Some(part) = parts.next() {
        directory.push(part);
        let is_last = parts.peek().is_none();
        let cpus = if is_last { cpu_list } else { all_cpus.trim() };
        write(&directory.join("cpuset.mems"), nodes.trim())?;
        write(&directory.join("cpuset.cpus"), cpus)?;
    }
    Ok(())
}

/// Unlike CPU and memory, out-of-memory kills are not counted hierarchically in v1.
fn oom_kills_below(directory: &Path) -> PathResult<u64> {
    let own = keyed(&read_text(&directory.join("memory.oom_control"))?, "oom_kill").unwrap_or(0);
    let children = fs::read_dir(directory).into_iter().flatten().flatten();
    let below: u64 = children
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| oom_kills_below(&entry.path()).unwrap_or(0))
        .sum();
    Ok(own + below)
}
