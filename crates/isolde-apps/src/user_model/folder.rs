//! A folder of pictures as inputs.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::model_file::hex;
use crate::picture::Format;

/// Pictures of a folder, in the order in which they are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictures {
    /// Their paths, by the bytes of their names.
    pub paths: Vec<PathBuf>,
    /// SHA-256 in hex over the line `isolde inputs 1`, then for each picture
    /// the length of its name (u64, little endian), the name, and the SHA-256
    /// of its content.
    pub digest: String,
}

/// A folder that cannot be used as inputs.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Something cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is no picture in it.
    #[error("there is no picture in {}: put JPEG or PNG files there", .0.display())]
    Empty(PathBuf),
    /// Something else than a picture lies there.
    #[error("{} is {what}: take it out of the folder, where only JPEG and PNG files may be", path.display())]
    NoPicture {
        /// What.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// More or larger pictures than are kept in memory.
    #[error("{} has more than {what}: use fewer or smaller pictures", path.display())]
    TooMuch {
        /// The folder, or the picture that is too large.
        path: PathBuf,
        /// The limit.
        what: &'static str,
    },
}

/// Most pictures.
const MOST_PICTURES: usize = 4096;
/// Most bytes of one picture's file.
const LARGEST_FILE: u64 = 64 << 20;
/// Most bytes of all files: they are kept in memory, so that no inference
/// waits for a disk.
const MOST_BYTES: u64 = 256 << 20;

/// Finds the pictures of `folder`. Each is looked at, none is decoded.
///
/// # Errors
/// What lies there that is no picture, or that there is none or too much.
pub fn pictures(folder: &Path) -> Result<Pictures, FolderError> {
    let read = |source| FolderError::Read { path: folder.to_owned(), source };
    let too_much = |what| FolderError::TooMuch { path: folder.to_owned(), what };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        paths.push(entry.map_err(read)?.path());
        if paths.len() > MOST_PICTURES {
            return Err(too_much("4096 pictures"));
        }
    }
    if paths.is_empty() {
        return Err(FolderError::Empty(folder.to_owned()));
    }
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    let mut hash = Sha256::new();
    hash.update(b"isolde inputs 1\n");
    let mut total = 0;
    for path in &paths {
        let content = picture(path)?;
        total += content.len() as u64;
        if total > MOST_BYTES {
            return Err(too_much("256 MiB of pictures"));
        }
        let name = path.file_name().unwrap_or_default().as_bytes();
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update(Sha256::digest(&content));
    }
    Ok(Pictures { paths, digest: hex(&hash.finalize()) })
}

/// The content of a file that begins like a picture.
fn picture(path: &Path) -> Result<Vec<u8>, FolderError> {
    let no_picture = |what| FolderError::NoPicture { path: path.to_owned(), what };
    if path.file_name().is_none_or(|name| name.to_str().is_none()) {
        return Err(no_picture("called by a name that is no UTF-8"));
    }
    let read = |source| FolderError::Read { path: path.to_owned(), source };
    // Before it is opened: opening a named pipe would wait for a writer.
    let metadata = fs::metadata(path).map_err(read)?;
    if metadata.is_dir() {
        return Err(no_picture("a folder"));
    }
    if !metadata.is_file() {
        return Err(no_picture("no plain file"));
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(read)?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut content).map_err(read)?;
    if content.len() as u64 > LARGEST_FILE {
        return Err(FolderError::TooMuch { path: path.to_owned(), what: "64 MiB" });
    }
    match Format::of(&content) {
        Some(_) => Ok(content),
        None => Err(no_picture("neither JPEG nor PNG")),
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
        file.set_len(LARGEST_FILE + 1).unwrap();
        let refused = pictures(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("huge.jpg has more than 64 MiB"), "{refused}");
    }
}
