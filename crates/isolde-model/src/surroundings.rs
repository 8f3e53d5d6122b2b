//! What an application finds around itself in every sandbox. Where a daemon has
//! its own idea that cannot be changed, the others follow it.

/// Name of the host inside a sandbox that has one of its own.
pub const HOST_NAME: &str = "isolde";

/// Size of `/dev/shm`, the default of Docker.
pub const SHARED_MEMORY_BYTES: u64 = 64 << 20;

/// Files of `/etc`, name and content, that stand in place of the image's own
/// where the root can be written to. Docker puts these over an image's files in a
/// container without a network, and images are made in the expectation of it:
/// without them `localhost` has no address. `resolv.conf` is left out, because
/// nothing outside can be reached.
pub const LEVELLED_FILES: [(&str, &str); 2] = [
    ("hostname", "isolde\n"),
    (
        "hosts",
        "127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::0\tip6-localnet\n\
         ff00::0\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n",
    ),
];

/// What a limit is put on (setrlimit(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// `RLIMIT_CORE`, bytes.
    CoreDump,
    /// `RLIMIT_MEMLOCK`, bytes.
    LockedMemory,
    /// `RLIMIT_NOFILE`, one more than the highest descriptor.
    OpenFiles,
    /// `RLIMIT_SIGPENDING`, signals.
    PendingSignals,
    /// `RLIMIT_NPROC`, processes and threads of one user.
    Processes,
    /// `RLIMIT_STACK`, bytes.
    Stack,
}

/// A soft and a hard limit; `None` is none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessLimit {
    /// On what.
    pub on: Limited,
    /// What holds until the process raises it.
    pub soft: Option<u64>,
    /// Up to where it may.
    pub hard: Option<u64>,
}

/// The limits that an application finds in every environment. Left alone they
/// would be those of whoever starts it: the user's shell, a daemon, a guest's
/// kernel, and a program that sizes its tables by them would behave differently.
///
/// Open files as systemd gives them to services (`DefaultLimitNOFILE=1024:524288`,
/// systemd-system.conf(5)): the soft limit is what select(2) can hold. Stack and
/// locked memory are the Linux defaults. Processes and signals are bounded by
/// the sandbox's memory; core dumps would go to the host.
pub const PROCESS_LIMITS: [ProcessLimit; 6] = [
    ProcessLimit { on: Limited::CoreDump, soft: Some(0), hard: Some(0) },
    ProcessLimit { on: Limited::LockedMemory, soft: Some(8 << 20), hard: Some(8 << 20) },
    ProcessLimit { on: Limited::OpenFiles, soft: Some(1024), hard: Some(524_288) },
    ProcessLimit { on: Limited::PendingSignals, soft: None, hard: None },
    ProcessLimit { on: Limited::Processes, soft: None, hard: None },
    ProcessLimit { on: Limited::Stack, soft: Some(8 << 20), hard: None },
];
