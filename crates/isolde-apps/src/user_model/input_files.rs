//! The files that a user gives as inputs: pictures or arrays.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use isolde_model::ArrayInputs;
use sha2::{Digest, Sha256};

use super::arrays::{ArraysError, check_arrays};
use super::model_file::hex;
use super::npz::is_archive;
use crate::picture::Format;

/// Input files, in the order in which they are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFiles {
    /// Their paths, by the bytes of their names.
    pub paths: Vec<PathBuf>,
    /// SHA-256 in hex over the line `isolde inputs 1`, then for each file
    /// the length of its name (u64, little endian), the name, and the SHA-256
    /// of its content.
    pub digest: String,
}

/// What cannot be used as inputs.
#[derive(Debug, thiserror::Error)]
pub enum InputFilesError {
    /// Something cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is none.
    #[error("there is no {what} in {}: put {kinds} there", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
        /// What belongs there.
        kinds: &'static str,
    },
    /// Something else lies there.
    #[error("{} is {what}: {kinds} alone can be given", path.display())]
    Other {
        /// What.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
        /// What belongs there.
        kinds: &'static str,
    },
    /// Arrays that the model does not take.
    #[error("{} cannot be given to the model", path.display())]
    Arrays {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ArraysError,
    },
    /// More than is kept in memory.
    #[error("{} has more than {what}: use fewer or smaller ones", path.display())]
    TooMuch {
        /// The folder, or the file that is too large.
        path: PathBuf,
        /// The limit.
        what: &'static str,
    },
}

/// A kind of input files.
struct Kind {
    /// What one of them is called.
    one: &'static str,
    /// What they may be.
    all: &'static str,
    /// What a file is called that is none.
    none: &'static str,
    /// Whether a content begins like one.
    is_one: fn(&[u8]) -> bool,
    /// Most bytes of one file.
    largest: u64,
    /// The same in words.
    largest_in_words: &'static str,
}

const PICTURES: Kind = Kind {
    one: "picture",
    all: "JPEG and PNG files",
    none: "neither JPEG nor PNG",
    is_one: |content| Format::of(content).is_some(),
    largest: 64 << 20,
    largest_in_words: "64 MiB",
};
const ARCHIVES: Kind = Kind {
    one: "file of arrays",
    all: ".npz files of numpy.savez",
    none: "no .npz file",
    is_one: is_archive,
    largest: MOST_BYTES,
    largest_in_words: "256 MiB",
};

/// Most files.
const MOST_FILES: usize = 4096;
/// Most bytes of all files: they are kept in memory, so that no inference
/// waits for a disk.
const MOST_BYTES: u64 = 256 << 20;

/// Finds the pictures of `folder`. Each is looked at, none is decoded.
///
/// # Errors
/// What lies there that is no picture, or that there is none or too much.
pub fn pictures(folder: &Path) -> Result<InputFiles, InputFilesError> {
    gather(folder, listed(folder, &PICTURES)?, &PICTURES, |_, _| Ok(()))
}

/// Finds the files of arrays at `path`, a folder or one file, and checks that each
/// has what the model takes.
///
/// # Errors
/// What is none, has other arrays, or that there is none or too much.
pub fn array_files(path: &Path, wanted: &ArrayInputs) -> Result<InputFiles, InputFilesError> {
    let paths = match path.is_dir() {
        true => listed(path, &ARCHIVES)?,
        false => vec![path.to_owned()],
    };
    gather(path, paths, &ARCHIVES, |path, content| {
        check_arrays(content, wanted)
            .map_err(|source| InputFilesError::Arrays { path: path.to_owned(), source })
    })
}

/// What lies in a folder, in order.
fn listed(folder: &Path, kind: &Kind) -> Result<Vec<PathBuf>, InputFilesError> {
    let read = |source| InputFilesError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        paths.push(entry.map_err(read)?.path());
        if paths.len() > MOST_FILES {
            return Err(InputFilesError::TooMuch { path: folder.to_owned(), what: "4096 files" });
        }
    }
    if paths.is_empty() {
        let (what, kinds) = (kind.one, kind.all);
        return Err(InputFilesError::Empty { path: folder.to_owned(), what, kinds });
    }
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(paths)
}

fn gather(
    place: &Path,
    paths: Vec<PathBuf>,
    kind: &Kind,
    check: impl Fn(&Path, &[u8]) -> Result<(), InputFilesError>,
) -> Result<InputFiles, InputFilesError> {
    let mut hash = Sha256::new();
    hash.update(b"isolde inputs 1\n");
    let mut total = 0;
    for path in &paths {
        let content = content(path, kind)?;
        total += content.len() as u64;
        if total > MOST_BYTES {
            return Err(InputFilesError::TooMuch {
                path: place.to_owned(),
                what: "256 MiB of files",
            });
        }
        check(path, &content)?;
        let name = path.file_name().unwrap_or_default().as_bytes();
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update(Sha256::digest(&content));
    }
    Ok(InputFiles { paths, digest: hex(&hash.finalize()) })
}

/// The content of a file that begins like one of its kind.
fn content(path: &Path, kind: &Kind) -> Result<Vec<u8>, InputFilesError> {
    let kinds = kind.all;
    let other = |what| InputFilesError::Other { path: path.to_owned(), what, kinds };
    if path.file_name().is_none_or(|name| name.to_str().is_none()) {
        return Err(other("called by a name that is no UTF-8"));
    }
    let read = |source| InputFilesError::Read { path: path.to_owned(), source };
    // Before it is opened: opening a named pipe would wait for a writer.
    let metadata = fs::metadata(path).map_err(read)?;
    if metadata.is_dir() {
        return Err(other("a folder"));
    }
    if !metadata.is_file() {
        return Err(other("no plain file"));
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(read)?;
    file.take(kind.largest + 1).read_to_end(&mut content).map_err(read)?;
    if content.len() as u64 > kind.largest {
        let what = kind.largest_in_words;
        return Err(InputFilesError::TooMuch { path: path.to_owned(), what });
    }
    match (kind.is_one)(&content) {
        true => Ok(content),
        false => Err(other(kind.none)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0";

    #[test]
    fn pictures_are_told_by_content_and_ordered_by_the_bytes_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.txt", "B.png", "a"] {
            fs::write(folder.path().join(name), JPEG).unwrap();
        }
        let found = pictures(folder.path()).unwrap();
        let names: Vec<_> = found.paths.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["B.png", "a", "b.txt"]);
        fs::write(folder.path().join("a"), [JPEG, b"x"].concat()).unwrap();
        assert_ne!(pictures(folder.path()).unwrap().digest, found.digest);
    }

    #[test]
    fn what_is_no_picture_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = || pictures(folder.path()).unwrap_err().to_string();
        assert!(refused().contains("no picture"), "{}", refused());
        fs::write(folder.path().join("one"), JPEG).unwrap();
        fs::write(folder.path().join(".hidden"), "notes").unwrap();
        assert!(refused().contains(".hidden is neither"), "{}", refused());
        fs::remove_file(folder.path().join(".hidden")).unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        assert!(refused().contains("below is a folder"), "{}", refused());
        let absent = pictures(&folder.path().join("absent")).unwrap_err();
        assert!(absent.to_string().contains("absent"));
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("huge.jpg")).unwrap();
        file.set_len(PICTURES.largest + 1).unwrap();
        let refused = pictures(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("huge.jpg has more than 64 MiB"), "{refused}");
    }
}
