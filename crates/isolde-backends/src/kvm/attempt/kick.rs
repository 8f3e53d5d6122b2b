//! Work that may stay in the kernel for good, with a deadline all the same.

use std::io;
use std::os::unix::thread::JoinHandleExt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Time between two kicks: one that arrives just before the thread enters the
/// kernel is lost, so there is more than one.
const KICK_INTERVAL: Duration = Duration::from_millis(5);

/// What became of the work.
#[derive(Debug)]
pub(super) enum Ran<T> {
    /// It returned.
    Returned(T),
    /// It does not come back; its thread is left to itself.
    Lost,
    /// There is no thread for it.
    NotStarted(io::Error),
}

/// Runs `work` in a thread. From `kick_from` on, system calls that it is in are
/// interrupted (EINTR), again and again; at `give_up` it is abandoned.
pub(super) fn run_until<T: Send + 'static>(
    kick_from: Instant,
    give_up: Instant,
    work: impl FnOnce() -> T + Send + 'static,
) -> Ran<T> {
    let (answer, answers) = channel();
    let named = Builder::new().name("kvm-probe".into());
    // Nobody listens any more when it was abandoned.
    let thread = match named.spawn(move || drop(answer.send(work()))) {
        Ok(thread) => thread,
        Err(error) => return Ran::NotStarted(error),
    };
    let mut patience = kick_from.saturating_duration_since(Instant::now());
    loop {
        match answers.recv_timeout(patience) {
            Ok(result) => return Ran::Returned(result),
            Err(RecvTimeoutError::Disconnected) => return Ran::Lost,
            Err(RecvTimeoutError::Timeout) if Instant::now() >= give_up => return Ran::Lost,
            Err(RecvTimeoutError::Timeout) => kick(&thread),
        }
        patience = KICK_INTERVAL;
    }
}

/// The real-time signal that kicks: the C library and the usual monitors keep to
/// the first few.
fn kick_signal() -> libc::c_int {
    libc::SIGRTMIN() + 7
}

extern "C" fn do_nothing(_signal: libc::c_int) {}

/// Interrupts the system call that `thread` is in. The handler stays: taking it
/// away could let a late kick end the process.
fn kick<T>(thread: &JoinHandle<T>) {
    // SAFETY: all-zero is a valid `sigaction`: no flags (so calls are not
    // restarted), an empty mask; the handler is set below.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = do_nothing as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler does nothing, so it may run at any moment, and the
    // action is valid. The old action is not asked for.
    let installed =
        unsafe { libc::sigaction(kick_signal(), &raw const action, std::ptr::null_mut()) };
    if installed == 0 {
        // SAFETY: the handle has not been joined, so the thread's id is valid even
        // when the thread has ended. Then there is nothing to kick: no error.
        unsafe { libc::pthread_kill(thread.as_pthread_t() as libc::pthread_t, kick_signal()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_returned() {
        let later = Instant::now() + Duration::from_secs(60);
        assert!(matches!(run_until(later, later, || 7), Ran::Returned(7)));
    }

    #[test]
    fn a_call_without_end_is_interrupted() {
        let soon = Instant::now() + Duration::from_millis(20);
        let later = Instant::now() + Duration::from_secs(60);
        let ran = run_until(soon, later, || {
            // SAFETY: pause(2) has no arguments and only waits for a signal.
            unsafe { libc::pause() };
            io::Error::last_os_error().raw_os_error()
        });
        assert!(matches!(ran, Ran::Returned(Some(libc::EINTR))), "{ran:?}");
    }

    #[test]
    fn what_ignores_kicks_is_abandoned() {
        let soon = Instant::now() + Duration::from_millis(20);
        let (release, released) = channel::<()>();
        let ran = run_until(soon, soon + Duration::from_millis(30), move || released.recv());
        assert!(matches!(ran, Ran::Lost), "{ran:?}");
        drop(release);
    }

    #[test]
    fn work_that_panics_is_lost_at_once() {
        let later = Instant::now() + Duration::from_secs(60);
        let ran = run_until(later, later, || assert_eq!(1, 2, "on purpose"));
        assert!(matches!(ran, Ran::Lost), "{ran:?}");
    }
}
