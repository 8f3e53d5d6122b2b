//! The connection to the Docker Engine: its socket, what it is, and one thread
//! that does all asynchronous work for the synchronous traits.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bollard::Docker as Client;
use bollard::errors::Error as ApiError;
use isolde_model::Missing;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::daemons::Daemons;
use super::facts::{self, Facts};
use crate::{BackendError, cgroup};

/// Where the Engine listens unless `DOCKER_HOST` says otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The client library's own limit, in seconds, put far beyond every deadline
/// of ours: those bound each call.
const CLIENT_LIMIT_S: u64 = 3600;

/// How long a daemon may take from its first connection to its first answer
/// where systemd starts it for that: seconds on a small device.
const ACTIVATION_PATIENCE: Duration = Duration::from_secs(30);

/// How much later than its deadline a call may answer, should the worker
/// thread be busy reading a slow disk.
const WORKER_SLACK: Duration = Duration::from_secs(1);

/// One thing asked of the Engine, in the two forms that messages need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// After `cannot`.
    pub(super) action: &'static str,
    /// Before `did not happen in time`.
    pub(super) event: &'static str,
}

/// What the Engine answered instead of doing it.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Refusal {
    /// It said no.
    #[error("the docker daemon answered {status}: {message}")]
    Status { status: u16, message: String },
    /// The container was started but its runtime reported an error.
    #[error("the container's runtime said: {0}")]
    Runtime(String),
    /// There was no answer.
    #[error(
        "the docker daemon went away or does not answer ({0}); see `sudo systemctl status docker`"
    )]
    Lost(String),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::DockerResponseServerError { status_code, message } => {
                Self::Status { status: status_code, message }
            }
            ApiError::DockerContainerWaitError { error, .. }
            | ApiError::DockerStreamError { error } => Self::Runtime(error),
            other => Self::Lost(innermost(&other)),
        }
    }
}

impl Refusal {
    /// True where the Engine knows no such container or image.
    pub(super) const fn is_absent(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. })
    }
}

/// The last cause of an error: the layers of an HTTP client above it say nothing.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Why a call did not give what was asked for.
#[derive(Debug)]
pub(super) enum CallError {
    Refused(Refusal),
    TimedOut,
}

impl CallError {
    pub(super) fn explain(self, step: Step) -> BackendError {
        match self {
            Self::Refused(refusal) => BackendError::tool(step.action, refusal),
            Self::TimedOut => BackendError::TimedOut { what: step.event },
        }
    }
}

/// A usable Docker Engine.
#[derive(Debug)]
pub(super) struct Engine {
    client: Client,
    worker: Worker,
    facts: Facts,
    daemons: Mutex<Option<Daemons>>,
}

impl Engine {
    /// Connects, agrees on a protocol version and asks what it is.
    pub(super) fn open(deadline: Instant) -> Result<Self, Missing> {
        Self::open_at(socket_path(std::env::var("DOCKER_HOST").ok().as_deref())?, deadline)
    }

    fn open_at(socket: PathBuf, deadline: Instant) -> Result<Self, Missing> {
        if !socket.exists() {
            return Err(absent_socket(&socket));
        }
        let broken = |cause: String| unanswered(&socket, &cause);
        let worker = Worker::start().map_err(|source| broken(source.to_string()))?;
        let address = socket.to_string_lossy();
        let client =
            Client::connect_with_unix(&address, CLIENT_LIMIT_S, bollard::API_DEFAULT_VERSION)
                .map_err(|error| broken(innermost(&error)))?;
        let knock = tokio::net::UnixStream::connect(socket.clone());
        let peer = worker
            .call(deadline, async move { Ok(knock.await.and_then(|stream| stream.peer_cred())) })
            .map_err(|error| silent(&socket, error))?
            .map_err(|source| refused_connection(&socket, &source))?;
        let deadline = answer_deadline(peer.pid(), deadline);
        let (client, answers) = worker
            .call(deadline, async move {
                let client = client.negotiate_version().await?;
                let answers = futures_util::try_join!(client.version(), client.info())?;
                Ok((client, answers))
            })
            .map_err(|error| silent(&socket, error))?;
        let facts = facts::gather(&answers.0, &answers.1, peer.pid())?;
        Ok(Self { client, worker, facts, daemons: Mutex::new(None) })
    }

    /// What it said of itself.
    pub(super) const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its daemons, looked for when first needed and again after a restart:
    /// that reads all of /proc, which should not be part of every launch.
    pub(super) fn daemons(&self) -> Result<Daemons, BackendError> {
        let mut known = self.daemons.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(daemons) if daemons.are_alive() => Ok(daemons.clone()),
            _ => {
                let found = Daemons::find(self.facts.peer, &cgroup::host_hierarchy()?);
                Ok(known.insert(found).clone())
            }
        }
    }

    /// A handle for calls; each call opens a connection of its own.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The worker thread, for work that outlives one call.
    pub(super) const fn runtime(&self) -> &Handle {
        &self.worker.handle
    }

    /// Does `work` on the worker thread and waits for it until `deadline`.
    pub(super) fn call<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, CallError> {
        self.worker.call(deadline, work)
    }
}

/// A thread that runs asynchronous work until it is dropped.
#[derive(Debug)]
struct Worker {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("docker".into()).spawn(move || {
            // An error means that the sender is gone: the same request to stop.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    fn call<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, CallError> {
        let (send, receive) = sync_channel(1);
        self.handle.spawn(async move {
            // Nobody listens any more where the caller gave up.
            let _ = send.send(tokio::time::timeout_at(deadline.into(), work).await);
        });
        let left = deadline.saturating_duration_since(Instant::now()) + WORKER_SLACK;
        match receive.recv_timeout(left) {
            Ok(Ok(answer)) => answer.map_err(|error| CallError::Refused(error.into())),
            Ok(Err(_)) | Err(_) => Err(CallError::TimedOut),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The socket that `DOCKER_HOST` names. Contexts of the command line are not
/// followed; a remote Engine could not be measured from here.
fn socket_path(docker_host: Option<&str>) -> Result<PathBuf, Missing> {
    match docker_host.filter(|host| !host.is_empty()) {
        None => Ok(DEFAULT_SOCKET.into()),
        Some(host) => match host.strip_prefix("unix://").filter(|path| !path.is_empty()) {
            Some(path) => Ok(path.into()),
            None => Err(Missing {
                what: format!("DOCKER_HOST={host} is not a socket of this host"),
                hint: "unset DOCKER_HOST, or set it to unix:///var/run/docker.sock".into(),
                packages: Vec::new(),
            }),
        },
    }
}

/// Until when a daemon may answer to which `peer` has opened the way. Behind
/// the first process of the host it may have to be started first.
fn answer_deadline(peer: Option<i32>, deadline: Instant) -> Instant {
    const INIT: i32 = 1;
    match peer {
        Some(INIT) => deadline + ACTIVATION_PATIENCE,
        _ => deadline,
    }
}

const START_HINT: &str = "sudo systemctl start docker";

/// Places where packages put the daemon.
const DAEMON_FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/snap/bin"];

fn absent_socket(socket: &Path) -> Missing {
    let installed = DAEMON_FOLDERS.iter().any(|folder| Path::new(folder).join("dockerd").exists());
    if installed || socket != Path::new(DEFAULT_SOCKET) {
        return Missing {
            what: format!("the docker daemon is not running: no socket {}", socket.display()),
            hint: START_HINT.into(),
            packages: Vec::new(),
        };
    }
    Missing {
        what: "Docker Engine is not installed".into(),
        hint: "sudo apt-get install --yes docker.io".into(),
        packages: vec!["docker.io".into()],
    }
}

fn refused_connection(socket: &Path, source: &io::Error) -> Missing {
    match source.kind() {
        io::ErrorKind::PermissionDenied => Missing {
            what: format!("no permission to use {}", socket.display()),
            // Membership of the group docker would not do: the cgroups are root's.
            hint: "run with sudo".into(),
            packages: Vec::new(),
        },
        _ => unanswered(socket, &source.to_string()),
    }
}

fn silent(socket: &Path, error: CallError) -> Missing {
    match error {
        CallError::TimedOut => unanswered(socket, "no answer in time"),
        CallError::Refused(refusal) => unanswered(socket, &refusal.to_string()),
    }
}

fn unanswered(socket: &Path, cause: &str) -> Missing {
    Missing {
        what: format!("no docker daemon answers at {}: {cause}", socket.display()),
        hint: START_HINT.into(),
        packages: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_of_this_host_are_taken() {
        assert_eq!(socket_path(None).unwrap(), Path::new(DEFAULT_SOCKET));
        assert_eq!(socket_path(Some("")).unwrap(), Path::new(DEFAULT_SOCKET));
        assert_eq!(socket_path(Some("unix:///x/y.sock")).unwrap(), Path::new("/x/y.sock"));
        for host in ["tcp://10.0.0.1:2375", "ssh://pi", "unix://", "/var/run/docker.sock"] {
            assert!(socket_path(Some(host)).unwrap_err().what.contains(host), "{host}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_socket_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let soon = || Instant::now() + Duration::from_millis(100);
        let says = |name: &str, word: &str| {
            let missing = Engine::open_at(folder.path().join(name), soon()).unwrap_err();
            assert!(missing.what.contains(word), "{name}: {}", missing.what);
            assert_eq!(missing.hint, START_HINT);
        };
        says("absent", "not running");
        // Left behind by a daemon that died.
        drop(std::os::unix::net::UnixListener::bind(folder.path().join("dead")).unwrap());
        says("dead", "refused");
        let _listener = std::os::unix::net::UnixListener::bind(folder.path().join("hung")).unwrap();
        says("hung", "no answer in time");
    }

    #[test]
    fn a_daemon_that_systemd_must_start_first_gets_the_time() {
        let soon = Instant::now();
        assert_eq!(answer_deadline(Some(1), soon), soon + ACTIVATION_PATIENCE);
        assert_eq!([answer_deadline(Some(77), soon), answer_deadline(None, soon)], [soon; 2]);
    }

    #[test]
    fn a_call_ends_with_its_deadline() {
        let worker = Worker::start().unwrap();
        let never = std::future::pending::<Result<(), ApiError>>();
        let answer = worker.call(Instant::now() + Duration::from_millis(20), never);
        assert!(matches!(answer, Err(CallError::TimedOut)));
    }
}
