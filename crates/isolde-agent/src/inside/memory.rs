//! The sandbox's memory limit and what its kernel killed for it.

use std::fs;
use std::path::{Path, PathBuf};

use super::Place;

/// The memory limit in bytes: of the cgroup the agent is in, and all above it
/// that can be seen, or the kernel's total.
pub(super) fn limit(place: Place) -> u64 {
    let total = fs::read_to_string("/proc/meminfo").map_or(0, |text| total_bytes(&text));
    match place {
        Place::OwnKernel => total,
        Place::SharedKernel => cgroup_limit().map_or(total, |limit| limit.min(total)),
    }
}

/// Processes that the sandbox's own kernel has killed for want of memory since
/// it booted. A shared kernel's count says nothing of one sandbox: 0.
pub(super) fn oom_kills(place: Place) -> u64 {
    match place {
        Place::SharedKernel => 0,
        Place::OwnKernel => {
            let counters = fs::read_to_string("/proc/vmstat").unwrap_or_default();
            let value = counters.lines().find_map(|line| line.strip_prefix("oom_kill "));
            value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
        }
    }
}

fn total_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    kibibytes.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn cgroup_limit() -> Option<u64> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    v1_limit(&mounts, &membership).or_else(|| v2_limit(&mounts, &membership))
}

/// The v1 memory controller tells the smallest limit of all above in one value.
fn v1_limit(mounts: &str, membership: &str) -> Option<u64> {
    let mount = Mount::find(mounts, |kind, options| {
        kind == "cgroup" && options.split(',').any(|option| option == "memory")
    })?;
    let path = membership.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|controller| controller == "memory").then_some(path)
    })?;
    let statistics = fs::read_to_string(mount.folder(path).join("memory.stat")).ok()?;
    statistics
        .lines()
        .find_map(|line| line.strip_prefix("hierarchical_memory_limit "))
        .and_then(|value| value.parse().ok())
}

fn v2_limit(mounts: &str, membership: &str) -> Option<u64> {
    let mount = Mount::find(mounts, |kind, _| kind == "cgroup2")?;
    let path = membership.lines().find_map(|line| line.strip_prefix("0::"))?;
    let folder = mount.folder(path);
    folder
        .ancestors()
        .take_while(|folder| folder.starts_with(&mount.point))
        .filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok())
        .filter_map(|text| text.trim().parse().ok())
        .min()
}

/// A mounted cgroup tree.
struct Mount<'a> {
    /// Which folder of the tree is mounted.
    root: &'a str,
    /// Where.
    point: PathBuf,
}

impl<'a> Mount<'a> {
    fn find(mounts: &'a str, wanted: impl Fn(&str, &str) -> bool) -> Option<Self> {
        mounts.lines().find_map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let mut back = back.split(' ');
            let (kind, options) = (back.next()?, back.nth(1)?);
            let mut front = front.split(' ').skip(3);
            let (root, point) = (front.next()?, front.next()?);
            wanted(kind, options).then(|| Self { root, point: PathBuf::from(point) })
        })
    }

    /// Where the cgroup `path` is seen: a container may see only its own part
    /// of the tree, mounted as if it were the whole.
    fn folder(&self, path: &str) -> PathBuf {
        let below = Path::new(path).strip_prefix(self.root);
        let folder = below.map(|below| self.point.join(below));
        match folder {
            Ok(folder) if folder.is_dir() => folder,
            _ => self.point.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_in_bytes() {
        assert_eq!(total_bytes("MemFree: 1 kB\nMemTotal:        8024 kB\n"), 8024 * 1024);
        assert_eq!(total_bytes("nothing"), 0);
    }

    #[test]
    fn a_limit_is_the_smallest_on_the_way_up() {
        let tree = tempfile::tempdir().unwrap();
        let leaf = tree.path().join("isolde/run/3");
        fs::create_dir_all(&leaf).unwrap();
        fs::write(leaf.join("memory.max"), "max\n").unwrap();
        fs::write(tree.path().join("isolde/run/memory.max"), "1000\n").unwrap();
        fs::write(tree.path().join("isolde/memory.max"), "2000\n").unwrap();
        let mounts = format!("25 30 0:22 / {} rw - cgroup2 none rw\n", tree.path().display());
        assert_eq!(v2_limit(&mounts, "0::/isolde/run/3\n"), Some(1000));
    }

    #[test]
    fn a_container_sees_its_part_of_the_tree_as_the_whole() {
        let tree = tempfile::tempdir().unwrap();
        let text = "cache 1\nhierarchical_memory_limit 5000\n";
        fs::write(tree.path().join("memory.stat"), text).unwrap();
        let mounts = format!(
            "31 23 0:27 /docker/ab {} ro - cgroup cgroup rw,memory\n",
            tree.path().display()
        );
        assert_eq!(v1_limit(&mounts, "4:memory:/docker/ab\n"), Some(5000));
        // The same with a cgroup namespace, where the path is the namespace's.
        assert_eq!(v1_limit(&mounts, "4:memory:/\n"), Some(5000));
    }
}
