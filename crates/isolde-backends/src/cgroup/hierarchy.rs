//! What the versions of the cgroup file system have in common.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use isolde_model::Reading;

use super::{v1::V1, v2::V2};
use crate::BackendError;

/// A path and what the system said about it.
pub(super) type PathResult<T> = Result<T, (PathBuf, io::Error)>;

/// Version of the cgroup file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One tree per controller (also the hybrid layout).
    V1,
    /// The unified tree.
    V2,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

/// One version's way of doing what [`super::Cgroup`] offers. Errors name the path.
pub trait Hierarchy: fmt::Debug + Send + Sync {
    /// Which version.
    fn version(&self) -> Version;
    /// Makes `name` with all its parents, held to the CPUs of `cpu_list`.
    fn create(&self, name: &str, cpu_list: &str) -> PathResult<()>;
    /// Makes `name` also where only engines look for it.
    fn create_for_engine(&self, name: &str) -> PathResult<()>;
    /// Limits memory and swap together to `bytes`.
    fn limit_memory(&self, name: &str, bytes: u64) -> PathResult<()>;
    /// The files that take a process id to put it into `name`.
    fn procs_files(&self, name: &str) -> Vec<PathBuf>;
    /// Counters of `name` and all below it.
    fn read(&self, name: &str) -> PathResult<Reading>;
    /// Process ids in `name` and below it.
    fn processes(&self, name: &str) -> Vec<u32>;
    /// Names of the cgroups directly below `name`, in any hierarchy.
    fn children(&self, name: &str) -> Vec<String>;
    /// Removes `name` with all below it from every hierarchy, also from those
    /// in which only an engine made it.
    fn remove(&self, name: &str, patience: Duration) -> PathResult<()>;
    /// Removes those parents of `name` that are empty.
    fn remove_empty_parents(&self, name: &str);
}

/// Finds the version in use from the mount table.
pub(super) fn detect() -> Result<Arc<dyn Hierarchy>, BackendError> {
    let table = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|source| BackendError::file("read", "/proc/self/mountinfo", source))?;
    from_mounts(&table).ok_or_else(|| BackendError::Missing {
        what: "no cgroup file system with CPU and memory controllers is mounted".into(),
        hint: "mount it, for example with `mount -t cgroup2 none /sys/fs/cgroup`".into(),
    })
}

/// Chooses v1 where its memory or CPU accounting controller is mounted (the
/// hybrid layout has an empty v2 tree beside them), else v2.
fn from_mounts(table: &str) -> Option<Arc<dyn Hierarchy>> {
    let mut controllers = BTreeMap::new();
    let mut unified = None;
    let mut mounts = Vec::new();
    for line in table.lines() {
        let Some((mount, kind, options)) = parse_mount(line) else { continue };
        match kind {
            "cgroup" => {
                for option in options.split(',') {
                    controllers.insert(option.to_owned(), mount.clone());
                }
                mounts.push(mount);
            }
            "cgroup2" => {
                unified = Some(mount.clone());
                mounts.push(mount);
            }
            _ => {}
        }
    }
    if let Some(v1) = V1::new(&controllers, mounts) {
        return Some(Arc::new(v1));
    }
    unified.map(|root| Arc::new(V2::new(root)) as Arc<dyn Hierarchy>)
}

/// Mount point, type and super options of one line of mountinfo(5).
fn parse_mount(line: &str) -> Option<(PathBuf, &str, &str)> {
    let (front, back) = line.split_once(" - ")?;
    let mount = front.split(' ').nth(4)?;
    let mut fields = back.split(' ');
    let kind = fields.next()?;
    let options = fields.nth(1)?;
    Some((PathBuf::from(mount), kind, options))
}

pub(super) fn write(path: &Path, text: &str) -> PathResult<()> {
    fs::write(path, text).map_err(|source| (path.to_owned(), source))
}

pub(super) fn read_text(path: &Path) -> PathResult<String> {
    fs::read_to_string(path).map_err(|source| (path.to_owned(), source))
}

pub(super) fn read_number(path: &Path) -> PathResult<u64> {
    let text = read_text(path)?;
    text.trim().parse().map_err(|_| {
        let what = format!("`{}` is not a number", text.trim());
        (path.to_owned(), io::Error::new(io::ErrorKind::InvalidData, what))
    })
}

/// The value of `key` in a file of `key value` lines.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Process ids in the cgroup directory and all below it.
pub(super) fn processes_below(directory: &Path) -> Vec<u32> {
    let mut found: Vec<u32> = fs::read_to_string(directory.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    for child in child_directories(directory) {
        found.extend(processes_below(&child));
    }
    found
}

/// Names of the cgroups directly below any of these directories, each once.
pub(super) fn child_names(directories: impl Iterator<Item = PathBuf>) -> Vec<String> {
    let children = directories.flat_map(|directory| child_directories(&directory));
    let mut names: Vec<String> =
        children.filter_map(|child| Some(child.file_name()?.to_str()?.to_owned())).collect();
    names.sort();
    names.dedup();
    names
}

fn child_directories(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Removes a cgroup directory with all below it. A directory whose last process
/// has just ended stays busy for a moment, so it is tried until `patience` ends.
pub(super) fn remove_below(directory: &Path, patience: Duration) -> PathResult<()> {
    for child in child_directories(directory) {
        remove_below(&child, patience)?;
    }
    let deadline = Instant::now() + patience;
    loop {
        match fs::remove_dir(directory) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() != io::ErrorKind::ResourceBusy || Instant::now() >= deadline =>
            {
                return Err((directory.to_owned(), error));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Removes the parents of `name` below `root` as long as they are empty.
pub(super) fn remove_empty_parents(root: &Path, name: &str) {
    let mut parent = Path::new(name).parent();
    while let Some(path) = parent.filter(|path| !path.as_os_str().is_empty()) {
        if fs::remove_dir(root.join(path)).is_err() {
            return;
        }
        parent = path.parent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 23 0:26 / /sys/fs/cgroup/cpuacct rw shared:9 - cgroup cgroup rw,cpuacct
31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
";
    const UNIFIED: &str =
        "25 30 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_version_is_told_from_the_mount_table() {
        assert_eq!(from_mounts(HYBRID).unwrap().version(), Version::V1);
        assert_eq!(from_mounts(UNIFIED).unwrap().version(), Version::V2);
        assert!(from_mounts("1 2 0:1 / / rw - ext4 /dev/sda rw\n").is_none());
    }

    #[test]
    fn keyed_values_match_whole_keys() {
        let text = "oom 3\noom_kill 2\n";
        assert_eq!(keyed(text, "oom"), Some(3));
        assert_eq!(keyed(text, "oom_kill"), Some(2));
        assert_eq!(keyed(text, "max"), None);
    }
}
