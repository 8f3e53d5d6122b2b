//! What runs left on this host whose program was killed.

use std::fs;
use std::path::Path;

use isolde_backends::cgroup::{host_hierarchy, remove_stale};
use isolde_model::Leak;

use crate::provision::PREFIX;

/// Removes temporary folders and cgroups of runs whose process is gone, and
/// says what was removed.
#[must_use]
pub fn sweep() -> Vec<Leak> {
    let mut removed = Vec::new();
    if let Ok(hierarchy) = host_hierarchy() {
        // A run's cgroup is named `<process id>-<random>`.
        let is_stale = |name: &str| owner(name).is_some_and(is_dead);
        removed.extend(remove_stale(&hierarchy, PREFIX, &is_stale));
    }
    removed.extend(sweep_folders(&std::env::temp_dir()));
    removed
}

fn sweep_folders(parent: &Path) -> Vec<Leak> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name();
            let run = name.to_str().and_then(|name| name.strip_prefix("isolde-"));
            run.and_then(owner).is_some_and(is_dead)
        })
        .filter(|entry| fs::remove_dir_all(entry.path()).is_ok())
        .map(|entry| Leak::new("folder", entry.path().display().to_string()))
        .collect()
}

/// The process id that a run's name begins with.
fn owner(run: &str) -> Option<u32> {
    run.split_once('-')?.0.parse().ok()
}

fn is_dead(pid: u32) -> bool {
    !Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_dead_runs_go() {
        let parent = tempfile::tempdir().unwrap();
        let own = format!("isolde-{}-abc", std::process::id());
        // Larger than any process id can be (proc(5): at most 2^22).
        for name in [own.as_str(), "isolde-99999999-abc", "isolde-notes", "other-99999999-x"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let removed = sweep_folders(parent.path());
        assert_eq!(removed.len(), 1);
        assert!(!parent.path().join("isolde-99999999-abc").exists());
        assert!(parent.path().join(own).exists() && parent.path().join("isolde-notes").exists());
    }
}
