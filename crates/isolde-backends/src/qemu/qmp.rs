//! QEMU's control channel: whether the machine runs, and how it ended.
//!
//! See docs/interop/qmp-spec of QEMU. The exit status alone tells a guest that
//! switched itself off from one that panicked no more than QEMU's options do:
//! both are 0.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde_json::Value;

/// QEMU's messages are short; a longer line is not one of them.
const LINE_LIMIT: usize = 64 * 1024;

/// Our end of the channel.
#[derive(Debug)]
pub(super) struct Qmp {
    stream: UnixStream,
    buffer: Vec<u8>,
}

/// How the guest brought its machine to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GuestEnd {
    /// It switched it off.
    PoweredOff,
    /// It reset it: after a panic.
    Reset,
    /// QEMU told nothing.
    Untold,
}

impl Qmp {
    pub(super) const fn new(stream: UnixStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Returns once QEMU answers a command, which it does from its main loop:
    /// every device is made by then and the vCPUs run.
    pub(super) fn wait_until_running(&mut self, deadline: Instant) -> io::Result<()> {
        self.stream.write_all(b"{\"execute\":\"qmp_capabilities\"}\n")?;
        loop {
            let message = self.next(deadline)?;
            if message.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = message.get("error") {
                return Err(io::Error::other(error.to_string()));
            }
        }
    }

    /// What the guest did, told after QEMU has ended.
    pub(super) fn guest_end(&mut self, deadline: Instant) -> GuestEnd {
        while let Ok(message) = self.next(deadline) {
            if message["event"] == "SHUTDOWN" {
                return match message["data"]["reason"].as_str() {
                    Some("guest-shutdown") => GuestEnd::PoweredOff,
                    Some("guest-reset" | "guest-panic") => GuestEnd::Reset,
                    _ => GuestEnd::Untold,
                };
            }
        }
        GuestEnd::Untold
    }

    /// The next message. The end of the stream is an error.
    fn next(&mut self, deadline: Instant) -> io::Result<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(serde_json::from_slice(&line)?);
            }
            if self.buffer.len() > LINE_LIMIT {
                return Err(io::Error::other("a message of QEMU is too long"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn told(text: &str) -> GuestEnd {
        let (ours, mut qemu) = UnixStream::pair().unwrap();
        qemu.write_all(text.as_bytes()).unwrap();
        drop(qemu);
        Qmp::new(ours).guest_end(Instant::now() + Duration::from_secs(10))
    }

    #[test]
    fn a_reset_is_told_from_a_power_off() {
        let event = |reason: &str| {
            format!(
                "{{\"event\":\"SHUTDOWN\",\"data\":{{\"guest\":true,\"reason\":\"{reason}\"}}}}"
            )
        };
        let other = "{\"event\":\"RESUME\",\"data\":{}}\n";
        assert_eq!(told(&format!("{other}{}\n", event("guest-shutdown"))), GuestEnd::PoweredOff);
        assert_eq!(told(&format!("{}\n{other}", event("guest-reset"))), GuestEnd::Reset);
        assert_eq!(told(other), GuestEnd::Untold);
        assert_eq!(told("not json\n"), GuestEnd::Untold);
    }

    #[test]
    fn silence_ends_with_the_deadline_and_an_end_at_once() {
        let (ours, qemu) = UnixStream::pair().unwrap();
        let mut qmp = Qmp::new(ours);
        let soon = Instant::now() + Duration::from_millis(20);
        let error = qmp.wait_until_running(soon).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(qemu);
        let late = Instant::now() + Duration::from_secs(60);
        assert!(qmp.wait_until_running(late).is_err());
    }
}
