//! A thread with its own working directory and descriptors.
//!
//! `libcontainer` changes the working directory of its caller and makes
//! processes by bare clone(2): each is a copy of the calling thread with every
//! descriptor of its caller. On a thread that shares neither with the rest of
//! the program, the first harms nobody, and no container ever holds another's
//! pipe, not even between its creation and its start.
//!
//! Such a copy of one thread must not wait for a lock that another thread held
//! at that moment. Hence it logs nothing (no subscriber on this thread) and the
//! agent's executor touches no variables of the environment. The allocator's
//! locks are per thread; should one be caught all the same, the copy hangs and
//! is killed at the deadline.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};
use rustix::thread::{UnshareFlags, gettid, unshare_unsafe};
use rustix::time::{ClockId, clock_gettime};
use tracing::dispatcher::{Dispatch, with_default};

use crate::BackendError;

/// What a piece of work gave, and the CPU time of its thread.
#[derive(Debug)]
pub(super) struct Done<T> {
    pub(super) value: T,
    pub(super) cpu_ns: u64,
}

/// One call into `libcontainer` at a time: it makes `dumpable` of the whole
/// process false for a while, and a crate below it keeps a descriptor in a static.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What the thread tells its caller.
enum News<T> {
    Started(Pid),
    Done(Result<Done<T>, BackendError>),
}

/// Runs `work` on a thread apart and waits for it. `kept` are the only
/// descriptors above the standard ones that the thread has; `work` is handed
/// the thread's own copies. When `deadline` passes, the thread's children are
/// killed, which ends whatever waits for them.
///
/// # Errors
/// That the thread could not be set apart, panicked or did not end in time.
pub(super) fn run_apart<T: Send + 'static>(
    what: &'static str,
    deadline: Instant,
    kept: &Arc<Vec<OwnedFd>>,
    work: impl FnOnce(Vec<OwnedFd>) -> T + Send + 'static,
) -> Result<Done<T>, BackendError> {
    let (news, receive) = channel();
    let kept = Arc::clone(kept);
    let thread = std::thread::Builder::new()
        .name("container".into())
        .spawn(move || live_apart(&news, &kept, work))
        .map_err(|source| BackendError::os("start a thread", source))?;

    let mut tid = None;
    let mut until = deadline;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match receive.recv_timeout(left) {
            Ok(News::Started(id)) => tid = Some(id),
            Ok(News::Done(result)) => {
                let _ = thread.join();
                await_release(tid);
                return result;
            }
            Err(RecvTimeoutError::Disconnected) => {
                let _ = thread.join();
                return Err(BackendError::tool(what, "libcontainer panicked"));
            }
            Err(RecvTimeoutError::Timeout) if until == deadline => {
                kill_children(tid);
                until += GRACE;
            }
            Err(RecvTimeoutError::Timeout) => return Err(BackendError::TimedOut { what }),
        }
    }
}

/// After its children were killed the thread may take this long to notice.
const GRACE: Duration = Duration::from_secs(5);

fn live_apart<T>(
    news: &Sender<News<T>>,
    kept: &Arc<Vec<OwnedFd>>,
    work: impl FnOnce(Vec<OwnedFd>) -> T,
) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // A receiver that gave up makes these fail; there is nobody to tell.
    let _ = news.send(News::Started(gettid()));
    let result = seclude(kept).map(|copies| {
        let value = with_default(&Dispatch::none(), || work(copies));
        Done { value, cpu_ns: thread_cpu_ns() }
    });
    let _ = news.send(News::Done(result));
}

/// Gives the calling thread a working directory and a descriptor table of its
/// own, with nothing in it but the standard descriptors and copies of `kept`.
fn seclude(kept: &[OwnedFd]) -> Result<Vec<OwnedFd>, BackendError> {
    let os = |action: &'static str| move |source| BackendError::os(action, source);
    // SAFETY: with its own table, descriptors that this thread closes or opens
    // are nobody else's. It holds none from before but `kept`, whose owner
    // keeps the original; the copies get owners of their own below.
    unsafe { unshare_unsafe(UnshareFlags::FILES | UnshareFlags::FS) }
        .map_err(os("set a thread apart"))?;
    rustix::process::chdir("/").map_err(os("enter /"))?;
    let spared: Vec<RawFd> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    let listing = "/proc/thread-self/fd";
    let entries = fs::read_dir(listing)
        .map_err(|source| BackendError::file("list", listing, source))?
        .flatten();
    let others: Vec<RawFd> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2 && !spared.contains(fd))
        .collect();
    for fd in others {
        // SAFETY: in this thread's own table nobody uses these descriptors; the
        // listing's own is closed already, for which this does nothing.
        unsafe { libc::close(fd) };
    }
    // SAFETY: the copies in this thread's table have no owner yet.
    Ok(spared.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect())
}

/// CPU time of the calling thread so far, in nanoseconds.
fn thread_cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// A joined thread may not have handed over its children yet. Handed over
/// later, they would get the parent death signal that is set in the meantime.
fn await_release(tid: Option<Pid>) {
    let Some(tid) = tid else { return };
    let task = format!("/proc/self/task/{}", tid.as_raw_nonzero());
    let deadline = Instant::now() + GRACE;
    while Path::new(&task).exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_micros(50));
    }
}

fn kill_children(tid: Option<Pid>) {
    let Some(tid) = tid else { return };
    let list = format!("/proc/self/task/{}/children", tid.as_raw_nonzero());
    let children = fs::read_to_string(list).unwrap_or_default();
    for child in children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
        // It may have ended since it was listed.
        let _ = kill_process(child, Signal::KILL);
    }
}

/// Ends the children of the calling thread when dropped, unless kept: those
/// that a failed creation forgets.
pub(super) struct OwnChildren {
    process: Pid,
    kept: bool,
}

impl OwnChildren {
    pub(super) fn guard() -> Self {
        Self { process: getpid(), kept: false }
    }

    pub(super) const fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for OwnChildren {
    fn drop(&mut self) {
        // A copy of this thread that panics comes by here, too.
        if self.kept || getpid() != self.process {
            return;
        }
        /// `__WNOTHREAD` of wait(2): only children of the calling thread, so
        /// that no other thread is robbed of its child's status.
        const OF_THIS_THREAD: u32 = 0x2000_0000;
        let options = WaitOptions::NOHANG | WaitOptions::from_bits_retain(OF_THIS_THREAD);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            kill_children(Some(gettid()));
            match wait(options) {
                Ok(Some(_)) => {}
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => return,
            }
        }
    }
}
