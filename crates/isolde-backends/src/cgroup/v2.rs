//! The unified tree.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isolde_model::Reading;

use super::hierarchy::{
    Hierarchy, PathResult, Version, child_names, keyed, processes_below, read_number, read_text,
    remove_below, remove_empty_parents, write,
};

/// Controllers that a sandbox is held and counted by.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// Root of the unified tree.
#[derive(Debug)]
pub(super) struct V2 {
    root: PathBuf,
}

impl V2 {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Hierarchy for V2 {
    fn version(&self) -> Version {
        Version::V2
    }

    fn create(&self, name: &str, cpu_list: &str) -> PathResult<()> {
        let mut directory = self.root.clone();
        for part in Path::new(name) {
            enable_controllers(&directory)?;
            directory.push(part);
            match fs::create_dir(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err((directory, error));
                }
                _ => {}
            }
        }
        let cpus = directory.join("cpuset.cpus");
        if cpus.exists() { write(&cpus, cpu_list) } else { Ok(()) }
    }

    fn create_for_engine(&self, _name: &str) -> PathResult<()> {
        Ok(())
    }

    fn limit_memory(&self, name: &str, bytes: u64) -> PathResult<()> {
        let directory = self.directory(name);
        let limit = directory.join("memory.max");
        if !limit.exists() {
            return Ok(());
        }
        write(&limit, &bytes.to_string())?;
        let swap = directory.join("memory.swap.max");
        if swap.exists() { write(&swap, "0") } else { Ok(()) }
    }

    fn procs_files(&self, name: &str) -> Vec<PathBuf> {
        vec![self.directory(name).join("cgroup.procs")]
    }

    fn read(&self, name: &str) -> PathResult<Reading> {
        let directory = self.directory(name);
        let path = directory.join("cpu.stat");
        let cpu = read_text(&path)?;
        let nanoseconds = |key| keyed(&cpu, key).map(|micros| micros * 1000);
        let cpu_ns = nanoseconds("usage_usec")
            .ok_or_else(|| (path, io::Error::other("it has no usage_usec")))?;
        let events = fs::read_to_string(directory.join("memory.events")).unwrap_or_default();
        Ok(Reading {
            cpu_ns,
            cpu_user_ns: nanoseconds("user_usec"),
            cpu_system_ns: nanoseconds("system_usec"),
            // Since Linux 5.19.
            memory_peak_bytes: read_number(&directory.join("memory.peak")).ok(),
            oom_kills: keyed(&events, "oom_kill").unwrap_or(0),
            daemons: Vec::new(),
        })
    }

    fn processes(&self, name: &str) -> Vec<u32> {
        processes_below(&self.directory(name))
    }

    fn children(&self, name: &str) -> Vec<String> {
        child_names(std::iter::once(self.directory(name)))
    }

    fn remove(&self, name: &str, patience: Duration) -> PathResult<()> {
        remove_below(&self.directory(name), patience)
    }

    fn remove_empty_parents(&self, name: &str) {
        remove_empty_parents(&self.root, name);
    }
}

/// Enables for the children of `directory` those of [`CONTROLLERS`] that it has.
fn enable_controllers(directory: &Path) -> PathResult<()> {
    let available = read_text(&directory.join("cgroup.controllers"))?;
    let control = directory.join("cgroup.subtree_control");
    let enabled = read_text(&control)?;
    for controller in CONTROLLERS {
        let has = |list: &str| list.split_whitespace().any(|word| word == controller);
        if has(&available) && !has(&enabled) {
            write(&control, &format!("+{controller}"))?;
        }
    }
    Ok(())
}
