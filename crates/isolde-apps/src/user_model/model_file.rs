//! An ONNX file of the user's and the files beside it that hold its weights.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use super::outline::{Outline, OutlineError};
use super::walk::outline;

/// A model as it lies on the host, whole and readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// What it says of itself.
    pub outline: Outline,
    /// SHA-256 of the ONNX file, in hex.
    pub digest: String,
    /// Bytes of the ONNX file and of its weights.
    pub bytes: u64,
    /// Files beside it that hold its weights.
    pub weights: Vec<WeightsFile>,
}

/// A file that holds weights of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightsFile {
    /// Its name, as the model has it.
    pub location: String,
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 in hex.
    pub digest: String,
}

/// A model that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// Something cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is called otherwise.
    #[error("{} is not called *.onnx: only ONNX models can be run", .0.display())]
    Name(PathBuf),
    /// It is too large.
    #[error("{} is larger than 2 GiB, more than an ONNX file can be: keep its weights in a file beside it", .0.display())]
    TooLarge(PathBuf),
    /// It cannot be understood.
    #[error("{} cannot be used", path.display())]
    Outline {
        /// The file.
        path: PathBuf,
        /// Why.
        source: OutlineError,
    },
    /// A file with weights that must not or cannot be used.
    #[error("{} keeps weights in `{location}`, which {reason}", path.display())]
    Weights {
        /// The model.
        path: PathBuf,
        /// The file's name, as the model has it.
        location: String,
        /// Why it cannot be used.
        reason: String,
    },
}

/// Protocol buffers end at 2 GiB.
const LARGEST_MODEL: u64 = 2 << 30;

/// Reads a model's outline, and checks that all its weights are there.
///
/// # Errors
/// Why it cannot be used.
pub fn read_model(path: &Path) -> Result<ModelFile, ModelFileError> {
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) {
        return Err(ModelFileError::Name(path.to_owned()));
    }
    let content = content(path)?;
    let outline = outline(&content)
        .map_err(|source| ModelFileError::Outline { path: path.to_owned(), source })?;
    let digest = hex(&Sha256::digest(&content));
    let mut bytes = content.len() as u64;
    drop(content);
    let mut weights = Vec::new();
    for (location, &end) in &outline.weights {
        let refused = |reason: String| ModelFileError::Weights {
            path: path.to_owned(),
            location: location
                .chars()
                .map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect(),
            reason,
        };
        let place = place(path, location, end).map_err(refused)?;
        let (size, digest) = hashed(&place)
            .map_err(|source| ModelFileError::Read { path: place.clone(), source })?;
        bytes += size;
        weights.push(WeightsFile { location: location.clone(), path: place, digest });
    }
    Ok(ModelFile { outline, digest, bytes, weights })
}

fn content(path: &Path) -> Result<Vec<u8>, ModelFileError> {
    let read = |source| ModelFileError::Read { path: path.to_owned(), source };
    // Before it is opened: opening a named pipe would wait for a writer.
    if !fs::metadata(path).map_err(read)?.is_file() {
        return Err(read(io::Error::other("it is not a plain file")));
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(read)?;
    file.take(LARGEST_MODEL + 1).read_to_end(&mut content).map_err(read)?;
    if content.len() as u64 > LARGEST_MODEL {
        return Err(ModelFileError::TooLarge(path.to_owned()));
    }
    Ok(content)
}

/// Where the file `location` of the model at `path` lies, if it may be used and
/// has `end` bytes. The standard keeps such files in the model's folder
/// (<https://onnx.ai/onnx/repo-docs/ExternalData.html>); the engine takes names
/// alone, and only those that commonly hold weights, so that a model cannot
/// make a secret of the host its weights.
fn place(path: &Path, location: &str, end: u64) -> Result<PathBuf, String> {
    let mut parts = Path::new(location).components();
    let (Some(Component::Normal(_)), None) = (parts.next(), parts.next()) else {
        return Err("is no plain file name: weights must lie in the model's own folder".into());
    };
    let kind = Path::new(location).extension().and_then(|kind| kind.to_str()).unwrap_or_default();
    if !(kind.starts_with("data") || kind.starts_with("onnx_data")) {
        return Err("the engine does not read: it must be called *.data or *.onnx_data; save the \
             model again with such a location for its external data"
            .into());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let missing = |error: io::Error| format!("cannot be read: {error}: put it beside the model");
    let folder = folder.canonicalize().map_err(missing)?;
    let place = folder.join(location).canonicalize().map_err(missing)?;
    if place.parent() != Some(&folder) {
        return Err("is a link to outside of the model's folder".into());
    }
    let metadata = fs::metadata(&place).map_err(missing)?;
    if !metadata.is_file() {
        return Err("is no plain file".into());
    }
    if metadata.len() < end {
        let length = metadata.len();
        return Err(format!("has {length} bytes, and the model needs {end}: it is cut short"));
    }
    Ok(place)
}

fn hashed(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((total, hex(&hash.finalize()))),
            length => {
                hash.update(&chunk[..length]);
                total += length as u64;
            }
        }
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
