//! Disk images as files of the host.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{SeekFrom as RawSeek, seek};
use rustix::io::Errno;

use crate::BackendError;

/// That nobody holds a lock for writing on the image, as VMMs do on disks that they
/// write to: what a guest reads of such a disk changes under its hands.
pub(crate) fn check_unused(image: &Path) -> Result<(), BackendError> {
    let file = File::open(image).map_err(|source| BackendError::file("open", image, source))?;
    let holder = writer_of(&file)
        .map_err(|source| BackendError::file("look for locks on", image, source))?;
    let Some(pid) = holder else { return Ok(()) };
    // A lock that belongs to an open file, as VMMs take them, names no process.
    let who = if pid > 0 { format!("process {pid}") } else { "another program".to_owned() };
    Err(BackendError::Missing {
        what: format!("the disk image {} is in use: {who} may write to it", image.display()),
        hint: "end that program, or use a copy of the image".into(),
    })
}

/// The process that keeps others from reading, as fcntl(2) names it.
fn writer_of(file: &File) -> io::Result<Option<i32>> {
    // SAFETY: all zeros are a value of this plain structure: the whole file.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_RDLCK as _;
    // SAFETY: the descriptor is open, and the structure lives through the call.
    let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if asked != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((i32::from(lock.l_type) != libc::F_UNLCK).then_some(lock.l_pid))
}

/// Copies a file without its holes: an image with much room has little content.
pub(crate) fn copy_sparse(from: &Path, to: &Path) -> Result<(), BackendError> {
    let copy = || -> io::Result<()> {
        let source = File::open(from)?;
        let length = source.metadata()?.len();
        let mut target =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        target.set_len(length)?;
        let mut at = 0;
        while let Some((start, end)) = next_data(&source, at, length)? {
            (&source).seek(SeekFrom::Start(start))?;
            target.seek(SeekFrom::Start(start))?;
            let mut part = io::Read::take(&source, end - start);
            io::copy(&mut part, &mut target)?;
            at = end;
        }
        Ok(())
    };
    copy().map_err(|source| BackendError::file("make the disk", to, source))
}

/// The next part at or behind `at` that is no hole.
fn next_data(file: &File, at: u64, length: u64) -> io::Result<Option<(u64, u64)>> {
    match seek(file, RawSeek::Data(at)) {
        Ok(start) => Ok(Some((start, seek(file, RawSeek::Hole(start))?.min(length)))),
        // There is none.
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_copy_has_the_content_and_the_holes() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let mut file = File::create_new(&from).unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all(b"first").unwrap();
        file.seek(SeekFrom::Start(32 << 20)).unwrap();
        file.write_all(b"second").unwrap();
        copy_sparse(&from, &to).unwrap();
        assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap());
        assert!(fs::metadata(&to).unwrap().blocks() * 512 < 1 << 20);
        assert!(copy_sparse(&from, &to).is_err(), "what is there is not written over");
    }

    #[test]
    fn an_image_that_another_program_writes_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        fs::write(&image, "content").unwrap();
        check_unused(&image).unwrap();
        // As Cloud Hypervisor and QEMU lock, which counts within one process as well.
        let holder = fs::OpenOptions::new().write(true).open(&image).unwrap();
        // SAFETY: all zeros are a value of this plain structure.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as _;
        // SAFETY: the descriptor is open and the structure lives through the call.
        let taken = unsafe { libc::fcntl(holder.as_raw_fd(), libc::F_OFD_SETLK, &lock) };
        assert_eq!(taken, 0);
        let error = check_unused(&image).unwrap_err().to_string();
        assert!(error.contains("is in use"), "{error}");
        drop(holder);
        check_unused(&image).unwrap();
    }
}
