//! The user's wish to stop, in a form that poll(2) can wait for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use isolde_backends::cgroup::Cgroup;
use rustix::event::{EventfdFlags, eventfd};

/// A wish to stop that any thread can make and every wait of a run sees.
#[derive(Debug, Clone)]
pub struct Interrupt {
    made: Arc<AtomicBool>,
    event: Arc<OwnedFd>,
    held: Arc<Mutex<Option<Cgroup>>>,
}

/// A killed process may take this long to end on a loaded device.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

impl Interrupt {
    /// No wish yet.
    ///
    /// # Errors
    /// That the system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let (made, held) = (AtomicBool::new(false), Mutex::new(None));
        Ok(Self { made: Arc::new(made), event: Arc::new(event), held: Arc::new(held) })
    }

    /// Makes the wish and ends what runs in the held cgroup: a back end that
    /// waits for a sandbox to start sees no wish, but it sees the sandbox end.
    /// Doing so twice is fine.
    pub fn trigger(&self) {
        self.made.store(true, Ordering::SeqCst);
        // The counter is never read, so the descriptor stays readable.
        let _ = rustix::io::write(&*self.event, &1u64.to_ne_bytes());
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(cgroup) = held {
            // What survives is found and told when the sandbox is taken down.
            cgroup.kill_all(Instant::now() + KILL_PATIENCE);
        }
    }

    /// Puts `cgroup` at the mercy of the wish until the result is dropped.
    pub(crate) fn hold(&self, cgroup: &Cgroup) -> Held<'_> {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(cgroup.clone());
        Held(self)
    }

    /// Whether the wish was made.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.made.load(Ordering::SeqCst)
    }

    /// Readable once the wish was made.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// Lets go of the held cgroup on drop.
pub(crate) struct Held<'a>(&'a Interrupt);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.0.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
