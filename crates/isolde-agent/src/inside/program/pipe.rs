//! The agent's end of a pipe from the program.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// What a pipe holds, so that the program never waits for the agent's next look.
const PIPE_BYTES: usize = 1 << 20;

/// One of a program's output streams.
pub(super) struct Stream {
    file: Option<File>,
    pub(super) bytes: u64,
}

impl Stream {
    pub(super) fn new(pipe: Option<impl Into<OwnedFd>>) -> io::Result<Self> {
        let Some(pipe) = pipe.map(Into::into) else {
            return Ok(Self { file: None, bytes: 0 });
        };
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        // Only a courtesy: somebody else may have used up what is allowed.
        let _ = rustix::pipe::fcntl_setpipe_size(&pipe, PIPE_BYTES);
        Ok(Self { file: Some(File::from(pipe)), bytes: 0 })
    }

    /// What is there now, in one piece; `None` where nothing is.
    pub(super) fn read<'a>(&mut self, chunk: &'a mut [u8]) -> Option<&'a [u8]> {
        loop {
            match self.file.as_mut()?.read(chunk) {
                Ok(length @ 1..) => {
                    self.bytes = self.bytes.saturating_add(length as u64);
                    return Some(&chunk[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                _ => self.file = None,
            }
        }
    }

    /// What to poll; `None` after its end.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }
}
