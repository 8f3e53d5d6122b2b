//! Ending everything in the container.

use std::time::{Duration, Instant};

use isolde_model::Leak;

use super::sandbox::ContainerSandbox;

impl ContainerSandbox {
    /// Kills the first process, with which the kernel kills all others, and
    /// whatever else is in the cgroup. Reports what would not end.
    pub(super) fn kill_all(&mut self) -> Vec<Leak> {
        let stuck = self.init.as_mut().is_some_and(|init| !init.kill());
        let survivors = self.cgroup.kill_all(Instant::now() + KILL_PATIENCE);
        if survivors.is_empty() && stuck {
            return vec![Leak::new("process", "the container's first process does not end")];
        }
        let place = self.cgroup.path();
        survivors
            .iter()
            .map(|pid| Leak::new("process", format!("{pid} in cgroup {place}")))
            .collect()
    }
}

/// A killed process may take this long to end on a loaded device.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
