//! The OCI bundle: what the container is made of.
//!
//! Values are those of Docker's default profile (moby `oci/defaults.go` and
//! `profiles/`), differences are listed in the [module](super)'s text.

use std::fs;
use std::path::{Path, PathBuf};

use libcontainer::oci_spec::OciSpecError;
use libcontainer::oci_spec::runtime::{
    Capabilities, Capability, Linux, LinuxBuilder, LinuxCapabilitiesBuilder,
    LinuxDeviceCgroupBuilder, LinuxNamespaceBuilder, LinuxNamespaceType, LinuxResourcesBuilder,
    Mount, MountBuilder, PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process, ProcessBuilder,
    RootBuilder, Spec, SpecBuilder, UserBuilder,
};

use isolde_model::{HOST_NAME, Limited, ProcessLimit};

use crate::BackendError;
use crate::cgroup::{Cgroup, Version};
use crate::limits::{self, UMASK};
use crate::sandbox::AGENT_ARGS;

/// The root file system as the container gets it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ContainerRoot<'a> {
    pub(super) path: &'a Path,
    /// Whether all of it can be written to, or nothing but /tmp and /run.
    pub(super) writable: bool,
}

/// Writes the bundle for a container of `root` in `cgroup` into `directory`.
pub(super) fn write(
    root: ContainerRoot<'_>,
    cgroup: &Cgroup,
    directory: &Path,
) -> Result<(), BackendError> {
    fs::create_dir_all(directory)
        .map_err(|source| BackendError::file("make", directory, source))?;
    describe(root, cgroup)
        .and_then(|spec| spec.save(directory.join("config.json")))
        .map_err(|source| BackendError::tool("write the container's configuration", source))
}

fn describe(root: ContainerRoot<'_>, cgroup: &Cgroup) -> Result<Spec, OciSpecError> {
    SpecBuilder::default()
        .root(RootBuilder::default().path(root.path).readonly(!root.writable).build()?)
        .mounts(mounts(cgroup, root.writable)?)
        .process(process(root.writable)?)
        .hostname(HOST_NAME)
        .linux(linux(cgroup)?)
        .build()
}

fn process(writable: bool) -> Result<Process, OciSpecError> {
    let mut command = vec!["/isolde".to_owned()];
    command.extend(AGENT_ARGS.map(str::to_owned));
    let capabilities: Capabilities = CAPABILITIES.into_iter().collect();
    ProcessBuilder::default()
        .args(command)
        .cwd("/")
        .env(Vec::new())
        .user(
            UserBuilder::default()
                .uid(0u32)
                .gid(0u32)
                .additional_gids(vec![0])
                .umask(UMASK)
                .build()?,
        )
        .capabilities(
            LinuxCapabilitiesBuilder::default()
                .bounding(capabilities.clone())
                .effective(capabilities.clone())
                .permitted(capabilities)
                .inheritable(Capabilities::new())
                .ambient(Capabilities::new())
                .build()?,
        )
        .rlimits(limits::attainable().iter().map(limit).collect::<Result<Vec<_>, _>>()?)
        // An image may have programs such as `su`, which Docker lets work.
        .no_new_privileges(!writable)
        .terminal(false)
        .build()
}

fn limit(limit: &ProcessLimit) -> Result<PosixRlimit, OciSpecError> {
    let kind = match limit.on {
        Limited::CoreDump => PosixRlimitType::RlimitCore,
        Limited::LockedMemory => PosixRlimitType::RlimitMemlock,
        Limited::OpenFiles => PosixRlimitType::RlimitNofile,
        Limited::PendingSignals => PosixRlimitType::RlimitSigpending,
        Limited::Processes => PosixRlimitType::RlimitNproc,
        Limited::Stack => PosixRlimitType::RlimitStack,
    };
    // RLIM_INFINITY.
    let number = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    PosixRlimitBuilder::default()
        .typ(kind)
        .soft(number(limit.soft))
        .hard(number(limit.hard))
        .build()
}

/// Docker's default set without `MKNOD`.
const CAPABILITIES: [Capability; 13] = [
    Capability::AuditWrite,
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::NetBindService,
    Capability::NetRaw,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];

fn linux(cgroup: &Cgroup) -> Result<Linux, OciSpecError> {
    let kinds = [
        LinuxNamespaceType::Pid,
        LinuxNamespaceType::Mount,
        LinuxNamespaceType::Ipc,
        LinuxNamespaceType::Uts,
        LinuxNamespaceType::Network,
        LinuxNamespaceType::Cgroup,
    ];
    let namespaces: Result<Vec<_>, _> =
        kinds.into_iter().map(|kind| LinuxNamespaceBuilder::default().typ(kind).build()).collect();
    // Heard on v1 only. The crate itself allows the usual devices after it.
    let no_device = LinuxDeviceCgroupBuilder::default().allow(false).access("rwm").build()?;
    LinuxBuilder::default()
        .cgroups_path(cgroup.path())
        .namespaces(namespaces?)
        // CPUs and memory are limited by the cgroup that is there already.
        .resources(LinuxResourcesBuilder::default().devices(vec![no_device]).build()?)
        .masked_paths(MASKED.map(str::to_owned))
        .readonly_paths(read_only(cgroup.version()))
        .build()
}

const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn read_only(version: Version) -> Vec<String> {
    // On v1 the folder of the controllers' folders must be writable until they
    // are mounted.
    let folder = (version == Version::V1).then_some(CGROUPS);
    READ_ONLY.into_iter().chain(folder).map(str::to_owned).collect()
}

const CGROUPS: &str = "/sys/fs/cgroup";

/// Target, type, source and options.
type MountRow = (&'static str, &'static str, &'static str, &'static [&'static str]);

const MOUNTS: [MountRow; 6] = [
    ("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
    ("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    ),
    ("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    ("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
];

/// Where the rest of the root is read-only.
const SCRATCH: [MountRow; 2] = [
    ("/tmp", "tmpfs", "tmpfs", &["nosuid", "nodev", "mode=1777"]),
    ("/run", "tmpfs", "tmpfs", &["nosuid", "nodev", "mode=755"]),
];

fn mounts(cgroup: &Cgroup, writable: bool) -> Result<Vec<Mount>, OciSpecError> {
    const QUIET: [&str; 4] = ["nosuid", "noexec", "nodev", "ro"];
    let scratch: &[MountRow] = if writable { &[] } else { &SCRATCH };
    let mut mounts: Vec<Mount> = MOUNTS
        .iter()
        .chain(scratch)
        .map(|(target, kind, source, options)| mount(target, kind, source, options))
        .collect::<Result<_, _>>()?;
    match cgroup.version() {
        Version::V2 => mounts.push(mount(CGROUPS, "cgroup", "cgroup", &QUIET)?),
        Version::V1 => {
            // The crate mounts v1 controllers writable whatever is asked for,
            // and root inside could lift its own limits.
            let options = ["nosuid", "noexec", "nodev", "mode=755", "size=64k"];
            mounts.push(mount(CGROUPS, "tmpfs", "tmpfs", &options)?);
            let bind: Vec<&str> = QUIET.into_iter().chain(["bind"]).collect();
            for directory in cgroup.directories() {
                if let Some(controller) = above(&directory, &cgroup.path()) {
                    mounts.push(mount(controller, "bind", directory, &bind)?);
                }
            }
        }
    }
    Ok(mounts)
}

/// The controller's mount point, given the directory of `path` in it.
fn above(directory: &Path, path: &str) -> Option<PathBuf> {
    directory.to_str()?.strip_suffix(path).map(PathBuf::from)
}

fn mount(
    target: impl Into<PathBuf>,
    kind: &str,
    source: impl Into<PathBuf>,
    options: &[&str],
) -> Result<Mount, OciSpecError> {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    MountBuilder::default().destination(target).typ(kind).source(source).options(options).build()
}
