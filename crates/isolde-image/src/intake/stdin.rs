//! An archive on standard input.

use std::io::{self, IsTerminal, Read};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Intake, IntakeError, Taken, archive};
use crate::ImageError;

const WHAT: &str = "the archive on standard input";

/// How long a wish to stop may go unnoticed while nothing comes.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Takes an image from the archive on standard input.
pub(super) fn take(intake: &Intake<'_>) -> Result<Taken, ImageError> {
    if io::stdin().is_terminal() {
        let why = "it is a terminal: write `docker save IMAGE | isolde image add -`";
        return Err(IntakeError::unfit(WHAT, why).into());
    }
    archive::take_stream(intake, Patient { intake }, WHAT, None, "standard input".into())
}

/// Waits for input as long as the user likes: whatever writes it has its own
/// pace.
struct Patient<'a> {
    intake: &'a Intake<'a>,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Not through the library's buffer, whose content poll knows nothing of.
        let stdin = rustix::stdio::stdin();
        loop {
            self.intake.go_on().map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(rustix::io::read(stdin, buffer)?),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
