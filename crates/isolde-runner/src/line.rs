//! The host's end of the line to the agent.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use isolde_agent::protocol::{BOOT_MARK, Decoder, FromAgent, ProtocolError, ToAgent};
use isolde_backends::Line;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Interrupt;

/// The host's end of the line.
pub(crate) struct HostLine {
    reader: OwnedFd,
    writer: Option<File>,
    decoder: Decoder,
    interrupt: Interrupt,
}

/// Why nothing came from the agent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Silence {
    #[error("nothing came in time")]
    TimedOut,
    #[error("the line closed")]
    Closed,
    #[error("the user asked to stop")]
    Interrupted,
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("the line cannot be read")]
    Io(#[from] io::Error),
}

impl HostLine {
    pub(crate) fn new(line: Line, interrupt: &Interrupt) -> Self {
        Self {
            reader: line.reader,
            writer: Some(File::from(line.writer)),
            decoder: Decoder::default(),
            interrupt: interrupt.clone(),
        }
    }

    /// Waits for the agent's first byte and returns when it arrived.
    pub(crate) fn await_boot_mark(&mut self, deadline: Instant) -> Result<Instant, Silence> {
        let mut first = [0; 1];
        self.read(&mut first, deadline)?;
        let arrived = Instant::now();
        match first {
            [BOOT_MARK] => Ok(arrived),
            [other] => Err(ProtocolError::BootMark(other).into()),
        }
    }

    /// The next message.
    pub(crate) fn receive(&mut self, deadline: Instant) -> Result<FromAgent, Silence> {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            if let Some(message) = self.decoder.next_from_agent()? {
                return Ok(message);
            }
            let length = self.read(&mut chunk, deadline)?;
            self.decoder.push(&chunk[..length]);
        }
    }

    pub(crate) fn send(&mut self, message: &ToAgent) -> Result<(), Silence> {
        match &mut self.writer {
            Some(writer) => message.write_to(writer).map_err(Silence::Io),
            None => Err(Silence::Closed),
        }
    }

    /// Reads at least one byte.
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Silence> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut watched = [
                PollFd::new(&self.reader, PollFlags::IN),
                PollFd::from_borrowed_fd(self.interrupt.descriptor(), PollFlags::IN),
            ];
            match poll(&mut watched, Some(&timespec(left))) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Silence::Io(error.into())),
            }
            if self.interrupt.is_triggered() {
                return Err(Silence::Interrupted);
            }
            if !watched[0].revents().is_empty() {
                return match rustix::io::read(&self.reader, &mut *buffer) {
                    Ok(0) => Err(Silence::Closed),
                    Ok(length) => Ok(length),
                    Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
                    // What a socket says when its other end died with data unread.
                    Err(rustix::io::Errno::CONNRESET) => Err(Silence::Closed),
                    Err(error) => Err(Silence::Io(error.into())),
                };
            }
            if left.is_zero() {
                return Err(Silence::TimedOut);
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
