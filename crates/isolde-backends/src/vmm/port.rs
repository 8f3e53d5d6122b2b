//! Sockets in a sandbox's scratch folder, however long its path is: they are reached
//! through the descriptor of their folder, because the name of a Unix socket has 108
//! bytes at most (unix(7)). A VMM reaches them by their names alone when it is started
//! in that folder.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};

use crate::supervise::{Supervised, timespec};
use crate::{BackendError, Ending};

/// A folder with sockets.
#[derive(Debug)]
pub(crate) struct Folder {
    handle: File,
    path: PathBuf,
}

/// Why nobody has connected.
#[derive(Debug)]
pub(crate) enum NotConnected {
    /// The VMM ended before.
    Ended(Ending),
    /// The deadline passed.
    TimedOut,
    /// Something else.
    Failed(BackendError),
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, BackendError> {
        let handle = File::open(path).map_err(|source| BackendError::file("open", path, source))?;
        Ok(Self { handle, path: path.to_owned() })
    }

    fn short(&self, name: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{name}", self.handle.as_raw_fd()).into()
    }

    /// Listens on the socket `name`.
    pub(crate) fn listen(&self, name: &str) -> Result<Listener, BackendError> {
        let failed = |source| BackendError::file("listen on", self.path.join(name), source);
        let socket = UnixListener::bind(self.short(name)).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Listener { socket, path: self.path.join(name) })
    }

    /// Connects to the socket `name`.
    pub(crate) fn connect(&self, name: &str) -> std::io::Result<UnixStream> {
        UnixStream::connect(self.short(name))
    }
}

/// A socket that the guest connects to through its VMM.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

/// For a VMM that is handed the socket it listens on.
impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        listener.socket.into()
    }
}

impl Listener {
    /// The first connection, unless the VMM ends before or `deadline` passes.
    pub(crate) fn accept(
        &self,
        vmm: &mut Supervised,
        deadline: Instant,
    ) -> Result<UnixStream, NotConnected> {
        let failed = |source: std::io::Error| {
            NotConnected::Failed(BackendError::file("accept from", &self.path, source))
        };
        loop {
            match self.socket.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).map_err(failed)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failed(error)),
            }
            if let Some(ending) = vmm.ended() {
                return Err(NotConnected::Ended(ending));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NotConnected::TimedOut);
            }
            let mut watched = [
                PollFd::new(&self.socket, PollFlags::IN),
                PollFd::from_borrowed_fd(vmm.as_fd(), PollFlags::IN),
            ];
            match poll(&mut watched, Some(&timespec(left))) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Duration;

    /// A folder, removed with the first value, and one deep below it.
    fn deep_folder() -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("a".repeat(120)).join("b".repeat(120));
        std::fs::create_dir_all(&deep).unwrap();
        (top, deep)
    }

    #[test]
    fn a_long_path_is_no_obstacle() {
        let (_top, path) = deep_folder();
        assert!(UnixListener::bind(path.join("socket")).is_err(), "it is too long for its name");
        let folder = Folder::open(&path).unwrap();
        let listener = folder.listen("socket").unwrap();
        let _ours = folder.connect("socket").unwrap();
        let mut child = Supervised::spawn(Command::new("sleep").arg("60")).unwrap();
        listener.accept(&mut child, Instant::now() + Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn an_end_and_a_deadline_are_told() {
        let (_top, path) = deep_folder();
        let listener = Folder::open(&path).unwrap().listen("socket").unwrap();
        let mut child = Supervised::spawn(Command::new("sleep").arg("60")).unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        assert!(matches!(listener.accept(&mut child, soon), Err(NotConnected::TimedOut)));
        let mut child = Supervised::spawn(Command::new("sh").args(["-c", "exit 3"])).unwrap();
        let late = Instant::now() + Duration::from_secs(60);
        let ended = listener.accept(&mut child, late).unwrap_err();
        assert!(matches!(ended, NotConnected::Ended(Ending::Exited(3))), "{ended:?}");
    }
}
