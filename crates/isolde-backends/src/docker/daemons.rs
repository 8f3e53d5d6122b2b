//! The daemons that work for a container outside its cgroup, and the CPU time
//! they are charged with.
//!
//! Where dockerd and containerd have cgroups of their own, as services of
//! systemd do, those are read: they hold the daemons, the shims, and every runc
//! that starts or deletes a container, ended ones included.
//!
//! Elsewhere the clocks of dockerd, containerd and the container's shim are
//! read, with the ended children that each has waited for. That leaves out the
//! `runc delete` after the container's end and the shim's last moments: of
//! about 205 ms of CPU around a container that does nothing, some 30 ms.
//! [`Daemons::note`] says so to the user.
//!
//! The daemons are charged in full while they may serve others: an upper bound.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use isolde_model::DaemonCpu;

use super::procfs::{self, Process, Stat};
use crate::cgroup::{Hierarchy, Version};

/// Where a containerd that dockerd does not start itself listens.
const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// Names of Docker's own programs, as the kernel shortens them.
const FAMILY: [&str; 5] = ["dockerd", "containerd", "containerd-shim", "docker-proxy", "runc"];

/// The daemons of one Engine, found once.
#[derive(Debug, Clone)]
pub(super) struct Daemons {
    meters: Vec<Meter>,
}

#[derive(Debug, Clone)]
struct Meter {
    name: &'static str,
    kind: Kind,
    process: Process,
}

#[derive(Debug, Clone)]
enum Kind {
    /// A cgroup that holds nothing but the daemon and what it starts.
    Group { hierarchy: Arc<dyn Hierarchy>, path: String },
    /// The process's clock and its ended children.
    Process,
}

impl Meter {
    fn cpu_ns(&self) -> Option<u64> {
        match &self.kind {
            Kind::Group { hierarchy, path } => hierarchy.read(path).ok().map(|read| read.cpu_ns),
            Kind::Process => Some(self.process.cpu_ns()? + self.process.children_ns()?),
        }
    }
}

impl Daemons {
    /// Looks for the daemons behind an Engine whose socket `peer` listens on.
    pub(super) fn find(peer: Option<i32>, hierarchy: &Arc<dyn Hierarchy>) -> Self {
        let dockerd = find_dockerd(peer);
        let containerd = find_containerd(dockerd);
        let dockerd_group = dockerd.and_then(|pid| own_group(pid, hierarchy));
        let containerd_group = containerd.and_then(|pid| own_group(pid, hierarchy));
        let together = dockerd_group.is_some() && dockerd_group == containerd_group;
        let name = if together { "dockerd and containerd" } else { "dockerd" };
        let mut meters = Vec::new();
        meters.extend(meter(name, dockerd, dockerd_group, hierarchy));
        if !together {
            meters.extend(meter("containerd", containerd, containerd_group, hierarchy));
        }
        if dockerd.is_none() || containerd.is_none() {
            tracing::warn!(?dockerd, ?containerd, "not all of docker's daemons were found");
        }
        Self { meters }
    }

    /// What is left out of the charges, where something is.
    pub(super) fn note(&self) -> Option<String> {
        let is_whole = |meter: &Meter| matches!(meter.kind, Kind::Group { .. });
        if !self.meters.is_empty() && self.meters.iter().all(is_whole) {
            return None;
        }
        Some(
            "dockerd and containerd have no cgroups of their own here: the CPU time of deleting \
             a container is not counted"
                .into(),
        )
    }

    /// True as long as all of them run.
    pub(super) fn are_alive(&self) -> bool {
        self.meters.iter().all(|meter| meter.process.exists())
    }

    /// True where the cgroup of one of them holds this process.
    fn cover(&self, pid: u32) -> bool {
        self.meters.iter().any(|meter| match &meter.kind {
            Kind::Group { hierarchy, path } => hierarchy.processes(path).contains(&pid),
            Kind::Process => false,
        })
    }
}

/// CPU time of the daemons since it was opened, kept when they vanish.
#[derive(Debug)]
pub(super) struct Ledger {
    daemons: Daemons,
    /// For each daemon what it had used before and what it has used since.
    accounts: Vec<(Option<u64>, u64)>,
    shim: Option<Shim>,
}

#[derive(Debug)]
struct Shim {
    process: Process,
    /// The container's first process; `None` where it was gone from the start.
    init: Option<Process>,
    clock_ns: u64,
    children_ns: u64,
}

impl Ledger {
    /// Begins to charge.
    pub(super) fn open(daemons: Daemons) -> Self {
        let accounts = daemons.meters.iter().map(|meter| (meter.cpu_ns(), 0)).collect();
        Self { daemons, accounts, shim: None }
    }

    /// Charges the parent of `init`, the container's first process, as well.
    pub(super) fn add_shim(&mut self, process: Process, init: Process) {
        if !self.daemons.cover(process.pid) {
            self.shim = Some(Shim { process, init: Some(init), clock_ns: 0, children_ns: 0 });
        }
    }

    /// Charges the shim of a container that has ended already, after it used
    /// `container_ns`.
    pub(super) fn add_late_shim(&mut self, process: Process, container_ns: u64) {
        if self.daemons.cover(process.pid) {
            return;
        }
        // Its children are its runc and, if it was waited for, the container.
        // That was so short that the tick's error is the larger one.
        let children_ns = process.children_ns().unwrap_or(0).saturating_sub(container_ns);
        self.shim = Some(Shim { process, init: None, clock_ns: 0, children_ns });
    }

    /// Reads all clocks. What has vanished keeps its last value, and a counter
    /// that began anew never lowers it.
    pub(super) fn sample(&mut self) {
        let read: Vec<Option<u64>> = self.daemons.meters.iter().map(Meter::cpu_ns).collect();
        // The whole life of a containerd that has ended is among the ended
        // children of dockerd; looked at afterwards, so that none slips in.
        if self.daemons.are_alive() {
            for (now, (before, since)) in read.into_iter().zip(&mut self.accounts) {
                if let (Some(before), Some(now)) = (*before, now) {
                    *since = (*since).max(now.saturating_sub(before));
                }
            }
        }
        if let Some(shim) = &mut self.shim {
            shim.sample();
        }
    }

    /// What each has used.
    pub(super) fn charges(&self) -> Vec<DaemonCpu> {
        let meters = self.daemons.meters.iter().zip(&self.accounts);
        let mut charges: Vec<DaemonCpu> = meters
            .map(|(meter, (_, since))| DaemonCpu { name: meter.name.into(), cpu_ns: *since })
            .collect();
        if let Some(shim) = &self.shim {
            let cpu_ns = shim.clock_ns + shim.children_ns;
            charges.push(DaemonCpu { name: "containerd-shim".into(), cpu_ns });
        }
        charges
    }
}

impl Shim {
    fn sample(&mut self) {
        if let Some(clock_ns) = self.process.cpu_ns() {
            self.clock_ns = clock_ns;
        }
        let children_ns = self.process.children_ns();
        // Once the shim has waited for the container's first process, all that
        // the container used is in there too, and that is in its cgroup. As long
        // as the process exists *after* the reading it was not in it.
        if let Some(children_ns) = children_ns
            && self.init.is_some_and(Process::exists)
        {
            self.children_ns = children_ns;
        }
    }
}

fn meter(
    name: &'static str,
    pid: Option<u32>,
    group: Option<String>,
    hierarchy: &Arc<dyn Hierarchy>,
) -> Option<Meter> {
    let process = Process::find(pid?)?;
    let kind = match group {
        Some(path) => Kind::Group { hierarchy: Arc::clone(hierarchy), path },
        None => Kind::Process,
    };
    Some(Meter { name, kind, process })
}

/// The listener where that is dockerd itself; with socket activation it is
/// systemd, and dockerd is looked for by its name.
fn find_dockerd(peer: Option<i32>) -> Option<u32> {
    let is_dockerd = |pid: &u32| procfs::name(*pid).as_deref() == Some("dockerd");
    let peer = peer.and_then(|pid| u32::try_from(pid).ok()).filter(is_dockerd);
    peer.or_else(|| procfs::all().find(is_dockerd))
}

/// A child of dockerd, or the service that listens at the usual place.
fn find_containerd(dockerd: Option<u32>) -> Option<u32> {
    let is_containerd = |pid: &u32| procfs::name(*pid).as_deref() == Some("containerd");
    let is_child = |pid: &u32| Stat::read(*pid).map(|stat| stat.parent) == dockerd;
    if let Some(child) = procfs::all().find(|pid| is_containerd(pid) && is_child(pid)) {
        return Some(child);
    }
    let service = UnixStream::connect(CONTAINERD_SOCKET).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&service).ok()?.pid;
    u32::try_from(peer.as_raw_pid()).ok().filter(is_containerd)
}

/// The cgroup of `pid` where nothing but Docker lives in it.
fn own_group(pid: u32, hierarchy: &Arc<dyn Hierarchy>) -> Option<String> {
    let table = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = group_path(&table, hierarchy.version())?;
    let members = hierarchy.processes(&path);
    let is_family = |pid: u32| procfs::name(pid).is_some_and(|n| FAMILY.contains(&n.as_str()));
    // A daemon may just be running something for a moment.
    let belongs =
        |pid: u32| is_family(pid) || Stat::read(pid).is_none_or(|stat| is_family(stat.parent));
    let is_own = members.contains(&pid) && members.into_iter().all(belongs);
    (is_own && hierarchy.read(&path).is_ok()).then_some(path)
}

/// The path, without its leading slash, in the hierarchy that counts CPU time.
/// `None` for the root, which everybody shares.
fn group_path(table: &str, version: Version) -> Option<String> {
    let is_counted = |controllers: &str| match version {
        Version::V1 => controllers.split(',').any(|controller| controller == "cpuacct"),
        Version::V2 => controllers.is_empty(),
    };
    table.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let path = path.strip_prefix('/').filter(|path| !path.is_empty())?;
        is_counted(controllers).then(|| path.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_counting_hierarchy_is_found() {
        let v1 = "9:memory:/m\n4:cpu,cpuacct:/system.slice/docker.service\n0::/u\n";
        let service = Some("system.slice/docker.service".to_owned());
        assert_eq!(group_path(v1, Version::V1), service);
        assert_eq!(group_path("0::/system.slice/docker.service\n", Version::V2), service);
        assert_eq!(group_path("0::/\n", Version::V2), None);
    }

    #[test]
    fn a_vanished_daemon_keeps_its_last_value() {
        let mut child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        let kind = Kind::Process;
        let daemons = Daemons { meters: vec![Meter { name: "dockerd", kind, process }] };
        let mut ledger = Ledger::open(daemons.clone());
        let used = |ledger: &mut Ledger| {
            ledger.sample();
            ledger.charges()[0].cpu_ns
        };
        while used(&mut ledger) == 0 {}
        child.kill().unwrap();
        let at_least = used(&mut ledger);
        child.wait().unwrap();
        assert!(used(&mut ledger) >= at_least && !daemons.are_alive());
    }
}
