//! The user's wish to stop, in a form that poll(2) can wait for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// A wish to stop that any thread can make and every wait of a run sees.
#[derive(Debug, Clone)]
pub struct Interrupt {
    made: Arc<AtomicBool>,
    event: Arc<OwnedFd>,
}

impl Interrupt {
    /// No wish yet.
    ///
    /// # Errors
    /// That the system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { made: Arc::new(AtomicBool::new(false)), event: Arc::new(event) })
    }

    /// Makes the wish. Doing so twice is fine.
    pub fn trigger(&self) {
        self.made.store(true, Ordering::SeqCst);
        // The counter is never read, so the descriptor stays readable.
        let _ = rustix::io::write(&*self.event, &1u64.to_ne_bytes());
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
