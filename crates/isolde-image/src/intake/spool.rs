//! A stream kept in the cache while it is looked at: an archive can only be
//! understood from its end.

use std::fs::File;
use std::io::{Read, Write};

use super::packing::Unpacked;
use super::{Intake, IntakeError, from_io, space};
use crate::store::HalfMade;
use crate::{ImageError, Store};

/// A stream's content, unpacked; removed on drop.
pub(super) struct Spool {
    /// Open for reading.
    pub(super) file: File,
    _place: HalfMade,
}

impl Spool {
    /// Keeps all of `stream`, unpacked where it is packed as a whole.
    pub(super) fn fill(
        intake: &Intake<'_>,
        stream: impl Read,
        what: &str,
    ) -> Result<Self, ImageError> {
        let place = intake.store.half_made(Store::LAYERS);
        let path = place.path();
        let mut file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|error| ImageError::file("make", path, error))?;
        let mut room = space::Room::new(path);
        let mut unpacked = Unpacked::new(stream).map_err(|error| from_io(what, error))?;
        let mut chunk = vec![0; 256 * 1024];
        let mut total = 0;
        loop {
            intake.go_on()?;
            let length = unpacked.read(&mut chunk).map_err(|error| from_io(what, error))?;
            if length == 0 {
                break;
            }
            total += length as u64;
            intake.limits.check_total(total).map_err(|why| IntakeError::unfit(what, why))?;
            room.take(&file, length)?;
            file.write_all(&chunk[..length]).map_err(|error| space::written(path, error))?;
        }
        Ok(Self { file, _place: place })
    }
}
