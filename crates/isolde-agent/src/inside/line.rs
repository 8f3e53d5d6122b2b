//! The agent's end of the line.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::{ClockId, clock_gettime};

use super::AgentError;
use crate::protocol::{BOOT_MARK, Decoder, FromAgent, ToAgent};

/// The agent's end of the line to the host.
#[derive(Debug)]
pub struct AgentLine {
    reader: File,
    writer: File,
    decoder: Decoder,
}

/// What came from the host.
#[derive(Debug)]
pub enum Order {
    /// A message.
    Message(ToAgent),
    /// The end of the stream.
    HostGone,
}

impl AgentLine {
    /// Opens the line and at once writes the boot mark.
    ///
    /// # Errors
    /// That the host is gone already.
    pub fn open(reader: OwnedFd, writer: OwnedFd) -> io::Result<Self> {
        let mut writer = File::from(writer);
        writer.write_all(&[BOOT_MARK])?;
        Ok(Self { reader: File::from(reader), writer, decoder: Decoder::default() })
    }

    pub(super) fn send(&mut self, message: &FromAgent) -> io::Result<()> {
        message.write_to(&mut self.writer)
    }

    /// Tells the host what the clock says.
    pub(super) fn tell_clock(&mut self) -> io::Result<()> {
        let now = clock_gettime(ClockId::Monotonic);
        let (seconds, nanoseconds) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
        let ns = seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
        self.send(&FromAgent::Clock(ns))
    }

    pub(super) fn receive(&mut self) -> Result<Order, AgentError> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(message) = self.decoder.next_to_agent()? {
                return Ok(Order::Message(message));
            }
            match self.reader.read(&mut chunk)? {
                0 => return Ok(Order::HostGone),
                length => self.decoder.push(&chunk[..length]),
            }
        }
    }

    /// What to poll for an order.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    pub(super) fn await_goodbye(&mut self) -> Result<(), AgentError> {
        loop {
            if let Order::Message(ToAgent::Bye) | Order::HostGone = self.receive()? {
                return Ok(());
            }
        }
    }

    /// A second handle for writing, for threads that pass a command's output on.
    pub(super) fn second_writer(&self) -> io::Result<File> {
        self.writer.try_clone()
    }
}
