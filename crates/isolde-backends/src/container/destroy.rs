//! Taking the container down.
//!
//! The crate's own `delete` does no more than what is done here (kill, remove
//! the cgroup and the state folder) but takes ten milliseconds for it and
//! leaves the parents of the cgroup.

use std::fs;
use std::io;
use std::path::Path;

use isolde_model::Leak;

use super::sandbox::{BUNDLE, ContainerSandbox, STATE};
use crate::SandboxSpec;
use crate::overlay::Overlay;

impl ContainerSandbox {
    /// Removes everything that was made for the container and reports what
    /// stayed; nothing the second time.
    pub(super) fn take_down(&mut self) -> Vec<Leak> {
        if std::mem::replace(&mut self.destroyed, true) {
            return Vec::new();
        }
        let mut leaks = self.kill_all();
        self.last = self.read().ok();
        self.pipes = None;
        self.container = None;
        leaks.extend(self.cgroup.remove());
        leaks.extend(self.remove_folders());
        leaks.extend(self.mounts_left());
        leaks
    }

    fn remove_folders(&self) -> Vec<Leak> {
        let remove = |name| {
            let folder = self.spec.scratch.join(name);
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Some(Leak::new("folder", format!("{}: {error}", folder.display())))
                }
                _ => None,
            }
        };
        let overlay = self.overlay.as_ref().and_then(Overlay::remove);
        [BUNDLE, STATE].into_iter().filter_map(remove).chain(overlay).collect()
    }

    /// Mounts live in the container's own namespace and go with it; a new one
    /// in ours would be the runtime's mistake.
    fn mounts_left(&self) -> Vec<Leak> {
        let mut mounts = mounts_below(&self.spec);
        mounts.retain(|mount| !self.mounts_before.contains(mount));
        mounts.into_iter().map(|mount| Leak::new("mount", mount)).collect()
    }
}

/// Mount points in the places of `spec`.
pub(super) fn mounts_below(spec: &SandboxSpec) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = table.lines().filter_map(|line| line.split(' ').nth(4));
    let is_below = |mount: &&str| {
        [&spec.root, &spec.scratch].into_iter().any(|place| Path::new(mount).starts_with(place))
    };
    mounts.filter(is_below).map(str::to_owned).collect()
}
