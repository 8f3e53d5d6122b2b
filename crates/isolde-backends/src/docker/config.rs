//! What the Engine is told about a container. Beyond what is listed here it
//! gets Docker's defaults, seccomp profile and capabilities included.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, ResourcesUlimits};
use isolde_model::{HOST_NAME, Limited, ProcessLimit, SHARED_MEMORY_BYTES};

use super::owner;
use crate::SandboxSpec;
use crate::limits;
use crate::sandbox::AGENT_ARGS;

/// Name of the container of sandbox `id`.
pub(super) fn name(id: &str) -> String {
    format!("isolde-{id}")
}

/// The container of `spec`, from `image`, with its cgroup below `parent`.
pub(super) fn container(spec: &SandboxSpec, image: String, parent: String) -> ContainerCreateBody {
    let mut labels = owner::labels();
    labels.insert(owner::ID.into(), spec.id.clone());
    let arguments = AGENT_ARGS.iter().map(|&argument| argument.to_owned());
    ContainerCreateBody {
        image: Some(image),
        cmd: Some(std::iter::once("/isolde".to_owned()).chain(arguments).collect()),
        hostname: Some(HOST_NAME.into()),
        // A name without a value takes the variable away: Docker sets these two.
        // What stays is HOME, which runc sets whatever it is told.
        env: Some(vec!["PATH".into(), "HOSTNAME".into()]),
        labels: Some(labels),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // The end of our attachment is the end of its standard input.
        stdin_once: Some(true),
        tty: Some(false),
        host_config: Some(host_config(spec, parent)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(spec: &SandboxSpec, parent: String) -> HostConfig {
    let cpus: Vec<String> = spec.cpus.iter().map(u32::to_string).collect();
    let memory = i64::try_from(spec.memory.bytes()).unwrap_or(i64::MAX);
    let scratch = ["/tmp", "/run"].map(|path| (path.to_owned(), String::new()));
    let scratch = (!spec.writable_root).then(|| HashMap::from(scratch));
    HostConfig {
        cgroup_parent: Some(parent),
        cpuset_cpus: Some(cpus.join(",")),
        memory: Some(memory),
        // Memory and swap together: no swap.
        memory_swap: Some(memory),
        network_mode: Some("none".into()),
        readonly_rootfs: Some(!spec.writable_root),
        tmpfs: scratch,
        shm_size: i64::try_from(SHARED_MEMORY_BYTES).ok(),
        // Else those of the daemon, which differ from one distribution to the next.
        ulimits: Some(limits::attainable().iter().map(limit).collect()),
        // Any other driver would copy the line to the disk, at the container's cost.
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        ..HostConfig::default()
    }
}

fn limit(limit: &ProcessLimit) -> ResourcesUlimits {
    let name = match limit.on {
        Limited::CoreDump => "core",
        Limited::LockedMemory => "memlock",
        Limited::OpenFiles => "nofile",
        Limited::PendingSignals => "sigpending",
        Limited::Processes => "nproc",
        Limited::Stack => "stack",
    };
    /// What Docker calls no limit.
    const NONE: i64 = -1;
    let number =
        |limit: Option<u64>| Some(limit.map_or(NONE, |limit| i64::try_from(limit).unwrap_or(NONE)));
    ResourcesUlimits { name: Some(name.into()), soft: number(limit.soft), hard: number(limit.hard) }
}
