//! A layer as it comes in, into the cache as a verified, uncompressed tar
//! archive. One thread unpacks, another hashes and writes: on two CPUs that
//! takes as long as the slower of both. Memory is bounded whatever the size.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::digest::Digest;
use super::packing::Unpacked;
use super::{Intake, IntakeError, Progress, from_io, space};
use crate::{ImageError, Store, layer};

/// Unpacked bytes per step.
const CHUNK: usize = 256 * 1024;
/// Steps that the unpacking thread may be ahead.
const AHEAD: usize = 4;

/// A layer that comes in.
pub(super) struct Incoming<'a> {
    /// What it is called in errors.
    pub(super) what: String,
    /// Its bytes as they come, packed or not.
    pub(super) stream: Box<dyn Read + Send + 'a>,
    /// What the packed bytes must hash to, where that is told.
    pub(super) digest: Option<Digest>,
    /// How many packed bytes there must be, where that is told.
    pub(super) bytes: Option<u64>,
}

/// Puts a layer into the cache as `diff_id`.
pub(super) fn keep(
    intake: &Intake<'_>,
    incoming: Incoming<'_>,
    diff_id: &Digest,
) -> Result<(), ImageError> {
    intake
        .store
        .keep(Store::LAYERS, diff_id.hex(), |path| pour(intake, incoming, diff_id, path))
        .map(|_| ())
}

fn pour(
    intake: &Intake<'_>,
    incoming: Incoming<'_>,
    diff_id: &Digest,
    path: &Path,
) -> Result<(), ImageError> {
    let mut file = File::create_new(path).map_err(|error| ImageError::file("make", path, error))?;
    let what = incoming.what.clone();
    let (full, filled) = sync_channel(AHEAD);
    let (spent, free) = channel();
    let (unpacked, written) = thread::scope(|scope| {
        let unpacking = scope.spawn(move || unpack(intake, incoming, &full, &free));
        let written = write(intake, &mut file, path, &filled, &spent);
        // The other thread stops when nobody takes its chunks any more.
        drop(filled);
        let unpacked = unpacking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (unpacked, written)
    });
    // Of two failures, the writer's came first: the other only ends by it.
    let found = written?;
    unpacked?;
    if found != *diff_id {
        let why = format!(
            "unpacked, its digest is {found}, not {diff_id} as the image's configuration says"
        );
        return Err(IntakeError::unfit(what, why).into());
    }
    layer::check(path, &what)
}

/// Unpacks chunk by chunk and checks what the packed bytes were.
fn unpack(
    intake: &Intake<'_>,
    incoming: Incoming<'_>,
    full: &SyncSender<Vec<u8>>,
    free: &Receiver<Vec<u8>>,
) -> Result<(), ImageError> {
    let Incoming { what, stream, digest, bytes } = incoming;
    let consumed = Rc::new(Cell::new(0));
    let mut tally = Tally { stream, hash: Sha256::new(), consumed: Rc::clone(&consumed), bytes };
    let result = Unpacked::new(&mut tally).map_err(|error| from_io(&what, error)).and_then(
        |mut unpacked| {
            pass_on(intake, &what, &mut unpacked, &consumed, full, free)?;
            unpacked.drain().map_err(|error| from_io(&what, error))
        },
    );
    if let Err(error) = result {
        return Err(tally.blame(digest.as_ref(), &what).unwrap_or(error));
    }
    tally.check(digest.as_ref(), &what)
}

fn pass_on(
    intake: &Intake<'_>,
    what: &str,
    unpacked: &mut impl Read,
    consumed: &Cell<u64>,
    full: &SyncSender<Vec<u8>>,
    free: &Receiver<Vec<u8>>,
) -> Result<(), ImageError> {
    let mut produced = 0;
    loop {
        let mut chunk = free.try_recv().unwrap_or_default();
        chunk.clear();
        chunk.reserve_exact(CHUNK);
        let length = unpacked
            .take(CHUNK as u64)
            .read_to_end(&mut chunk)
            .map_err(|error| from_io(what, error))?;
        if length == 0 {
            return Ok(());
        }
        produced += length as u64;
        intake
            .limits
            .check(produced, consumed.get())
            .map_err(|why| IntakeError::unfit(what, why))?;
        if full.send(chunk).is_err() {
            // The writer has failed and says why.
            return Err(IntakeError::Interrupted.into());
        }
    }
}

/// Writes chunks as they come and gives their digest.
fn write(
    intake: &Intake<'_>,
    file: &mut File,
    path: &Path,
    filled: &Receiver<Vec<u8>>,
    spent: &Sender<Vec<u8>>,
) -> Result<Digest, ImageError> {
    let mut hash = Sha256::new();
    let mut room = space::Room::new(path);
    for chunk in filled {
        intake.go_on()?;
        room.take(file, chunk.len())?;
        hash.update(&chunk);
        file.write_all(&chunk).map_err(|error| space::written(path, error))?;
        intake.report(Progress::Unpacked { bytes: chunk.len() as u64 });
        // No longer wanted at the end.
        let _ = spent.send(chunk);
    }
    Ok(Digest::of(&hash.finalize()))
}

/// Counts and hashes packed bytes on their way, no more than are announced.
struct Tally<R> {
    stream: R,
    hash: Sha256,
    consumed: Rc<Cell<u64>>,
    bytes: Option<u64>,
}

impl<R: Read> Read for Tally<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer)?;
        self.hash.update(&buffer[..length]);
        let consumed = self.consumed.get() + length as u64;
        self.consumed.set(consumed);
        match self.bytes {
            Some(bytes) if consumed > bytes => {
                Err(io::Error::other(format!("it has more than the {bytes} bytes announced")))
            }
            _ => Ok(length),
        }
    }
}

impl<R: Read> Tally<R> {
    /// Whether all that was announced came, and it alone.
    fn check(self, digest: Option<&Digest>, what: &str) -> Result<(), ImageError> {
        let consumed = self.consumed.get();
        if let Some(bytes) = self.bytes.filter(|bytes| *bytes != consumed) {
            let why = format!("it is cut off: {consumed} of {bytes} bytes came");
            return Err(IntakeError::unfit(what, why).into());
        }
        let found = Digest::of(&self.hash.finalize());
        match digest.filter(|digest| **digest != found) {
            None => Ok(()),
            Some(digest) => {
                let why = format!("its digest is {found}, not {digest}: it is damaged or forged");
                Err(IntakeError::unfit(what, why).into())
            }
        }
    }

    /// After unpacking failed: whether these were the right bytes at all. Only
    /// where that can be told at bounded cost.
    fn blame(mut self, digest: Option<&Digest>, what: &str) -> Option<ImageError> {
        let left = self.bytes?.checked_sub(self.consumed.get())?;
        digest?;
        io::copy(&mut self.by_ref().take(left), &mut io::sink()).ok()?;
        self.check(digest, what).err()
    }
}
