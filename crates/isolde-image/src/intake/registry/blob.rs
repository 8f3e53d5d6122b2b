//! The download of one blob, taken up again where a connection breaks.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use ureq::BodyReader;

use super::super::IntakeError;
use super::super::digest::Digest;
use super::{PAUSES, Registry};
use crate::ImageError;

/// Connections that may break in one blob.
const BREAKS: usize = 6;

/// A blob that comes more slowly than this, in bytes per second, beyond the
/// first minutes, is held back on purpose.
const SLOWEST: u64 = 4096;
const FIRST: Duration = Duration::from_secs(600);

pub(super) struct Download<'a> {
    registry: &'a Registry<'a>,
    path: String,
    what: String,
    /// How many there must be, where that is told.
    bytes: Option<u64>,
    at: u64,
    body: Option<BodyReader<'static>>,
    breaks: usize,
    deadline: Instant,
}

impl<'a> Download<'a> {
    pub(super) fn start(
        registry: &'a Registry<'a>,
        digest: &Digest,
        bytes: Option<u64>,
        what: &str,
    ) -> Result<Self, ImageError> {
        let expected = Duration::from_secs(bytes.unwrap_or(0) / SLOWEST);
        let mut download = Self {
            registry,
            path: format!("blobs/{digest}"),
            what: what.to_owned(),
            bytes,
            at: 0,
            body: None,
            breaks: 0,
            deadline: Instant::now() + FIRST.saturating_add(expected),
        };
        download.connect()?;
        Ok(download)
    }

    /// Asks for what is still missing.
    fn connect(&mut self) -> Result<(), ImageError> {
        let refuse = |why: String| ImageError::from(IntakeError::unfit(&self.what, why));
        let response = self.registry.get(&self.path, "*/*", self.at)?;
        let status = response.status().as_u16();
        // A server may send the whole again.
        let skip = match status {
            206 => 0,
            200 => self.at,
            416 => {
                return Err(refuse(format!("it is cut off: the registry has {} bytes", self.at)));
            }
            404 => return Err(refuse("the registry does not have it".into())),
            other => return Err(refuse(format!("the registry answers {other}"))),
        };
        let mut body = response.into_body().into_reader();
        let skipped = io::copy(&mut body.by_ref().take(skip), &mut io::sink());
        if !skipped.is_ok_and(|skipped| skipped == skip) {
            return Err(refuse("it is cut off".into()));
        }
        self.body = Some(body);
        Ok(())
    }

    /// After a connection broke: whether another should be made.
    fn break_off(&mut self, error: io::Error) -> io::Result<()> {
        let registry = self.registry;
        registry.intake.go_on().map_err(io::Error::other)?;
        self.body = None;
        if self.breaks == BREAKS {
            let at = self.at;
            return Err(io::Error::other(format!("{error}, after {at} bytes, again and again")));
        }
        let pause = PAUSES[self.breaks.min(PAUSES.len() - 1)];
        self.breaks += 1;
        tracing::debug!(what = self.what, %error, at = self.at, "the connection broke");
        registry.pause(pause).map_err(io::Error::other)
    }
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.registry.intake.go_on().map_err(io::Error::other)?;
            if Instant::now() > self.deadline {
                return Err(io::Error::other("it comes too slowly"));
            }
            let Some(body) = &mut self.body else {
                self.connect().map_err(io::Error::other)?;
                continue;
            };
            match body.read(buffer) {
                // Ended before all that is announced has come.
                Ok(0) if self.bytes.is_some_and(|bytes| self.at < bytes) && !buffer.is_empty() => {
                    self.break_off(io::ErrorKind::UnexpectedEof.into())?;
                }
                Ok(length) => {
                    self.at += length as u64;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.break_off(error)?,
            }
        }
    }
}
