//! What was learnt of an image, remembered by its digest: to unpack one takes a
//! second on a small device, and every command asks.

use std::fs::{self, File};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::image::{ImageFormat, KernelImage, Machine};
use super::{KernelError, drivers, read_bounded};
use crate::tree::hex;
use crate::{ImageError, Store, hashes};

/// What an image tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) release: String,
    pub(super) format: ImageFormat,
    pub(super) machine: Machine,
    pub(super) startable: bool,
}

/// SHA-256 in hex of the file.
pub(super) fn digest(path: &Path, store: &Store) -> Result<String, ImageError> {
    let read = |error| ImageError::file("read", path, error);
    let mut file = File::open(path).map_err(read)?;
    Ok(hex(&hashes::of(&mut file, Some(store)).map_err(read)?.1))
}

/// What the image at `path` tells.
pub(super) fn of(path: &Path, store: &Store) -> Result<Facts, ImageError> {
    remembered(path, store, "json", |image| {
        Ok(Facts {
            release: image.release()?,
            format: image.format(),
            machine: image.machine(),
            startable: image.is_startable(),
        })
    })
}

/// The drivers that the image at `path` has built in. It is unpacked to see.
pub(super) fn built_in(path: &Path, store: &Store) -> Result<Vec<String>, ImageError> {
    remembered(path, store, "drivers.json", |image| Ok(drivers::built_in(&image.unpacked()?)))
}

fn remembered<T: Serialize + DeserializeOwned>(
    path: &Path,
    store: &Store,
    kind: &str,
    learn: impl FnOnce(&KernelImage<'_>) -> Result<T, KernelError>,
) -> Result<T, ImageError> {
    // A device or a folder of that name would be read for ever.
    if !fs::metadata(path).map_err(|error| ImageError::file("read", path, error))?.is_file() {
        let error = std::io::Error::other("it is no file");
        return Err(ImageError::file("read", path, error));
    }
    let name = format!("{}.{kind}", digest(path, store)?);
    let place = store.place(Store::KERNEL_FACTS, &name);
    if let Some(known) = fs::read(place).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
        return Ok(known);
    }
    let bytes = read_bounded(path)?;
    let learnt = KernelImage::parse(&bytes)
        .and_then(|image| learn(&image))
        .map_err(|source| ImageError::Kernel { path: path.to_owned(), source })?;
    let kept = store.replace(Store::KERNEL_FACTS, &name, |path| {
        let write = |error| ImageError::file("write", path, error);
        let text = serde_json::to_vec(&learnt).map_err(|e| ImageError::file("write", path, e))?;
        fs::write(path, text).map_err(write)
    });
    if let Err(error) = kept {
        tracing::debug!(%error, "what a kernel image tells is not remembered");
    }
    Ok(learnt)
}
