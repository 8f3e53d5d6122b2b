//! What a device leaves in its results folder, on its way out of it.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::JoinHandle;

use crate::{TestbedError, ustar};

/// How much may come out of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files and folders.
    pub entries: u32,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Default for Limits {
    /// A full run has some thousand files of some kilobytes.
    fn default() -> Self {
        Self { entries: 100_000, bytes: 2 << 30 }
    }
}

/// An archive that came out, as a file without a name.
#[derive(Debug)]
pub struct Archive(File);

impl Archive {
    /// The archive in a file.
    pub(crate) const fn of(file: File) -> Self {
        Self(file)
    }

    /// Unpacks it as `target`, which must not exist or be an empty folder; gives the
    /// number of files. A failure leaves nothing.
    ///
    /// # Errors
    /// What is wrong with it, or what could not be written.
    pub fn unpack(mut self, target: &Path, limits: Limits) -> Result<u32, TestbedError> {
        let failed =
            |error| TestbedError::os(format!("write the results to {}", target.display()), error);
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(failed)?;
        let half = tempfile::Builder::new().prefix(".isolde-").tempdir_in(parent);
        let half = half.map_err(failed)?;
        self.0.rewind().map_err(failed)?;
        let files = ustar::unpack(io::BufReader::new(&self.0), half.path(), limits)
            .map_err(TestbedError::Results)?;
        fs::set_permissions(half.path(), Permissions::from_mode(0o755)).map_err(failed)?;
        // Over an empty folder, too; over nothing else.
        fs::rename(half.path(), target).map_err(failed)?;
        Ok(files)
    }
}

/// Receives an archive while the device runs.
pub(crate) struct Receiver(JoinHandle<Result<Option<File>, String>>);

impl Receiver {
    /// Receives what comes over `stream` until its other end is closed.
    pub(crate) fn start(mut stream: UnixStream, limits: Limits) -> Result<Self, TestbedError> {
        let mut file = tempfile::tempfile()
            .map_err(|error| TestbedError::os("make a temporary file", error))?;
        // Headers and padding are at most two blocks a file.
        let most = limits.bytes.saturating_add(u64::from(limits.entries).saturating_mul(1024));
        let receive = move || {
            let kept = keep(&mut stream, &mut file, most);
            // A device whose words nobody takes would wait for ever.
            let _ = io::copy(&mut stream, &mut io::sink());
            kept.map(|bytes| (bytes > 0).then_some(file))
        };
        let thread = std::thread::Builder::new().spawn(receive);
        thread.map(Self).map_err(|error| TestbedError::os("start a thread", error))
    }

    /// What came, once nobody has the other end any more; nothing where nothing came.
    pub(crate) fn finish(self) -> Result<Option<Archive>, TestbedError> {
        let received = self.0.join().unwrap_or_else(|_| Err("they were not received".into()));
        Ok(received.map_err(TestbedError::Results)?.map(Archive))
    }
}

fn keep(stream: &mut UnixStream, file: &mut File, most: u64) -> Result<u64, String> {
    let mut chunk = vec![0; 256 << 10];
    let mut total = 0u64;
    loop {
        let length = match stream.read(&mut chunk) {
            Ok(0) => return Ok(total),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.to_string()),
        };
        total += length as u64;
        if total > most {
            return Err(format!("they have more than {} MiB", most >> 20));
        }
        file.write_all(&chunk[..length])
            .map_err(|error| format!("{}: {error}", std::env::temp_dir().display()))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Shutdown;
    use std::process::Command;

    fn received(bytes: &[u8], limits: Limits) -> Result<Option<Archive>, TestbedError> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let receiver = Receiver::start(ours, limits).unwrap();
        theirs.write_all(bytes).unwrap();
        theirs.shutdown(Shutdown::Both).unwrap();
        receiver.finish()
    }

    #[test]
    fn an_archive_arrives_as_a_folder_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        fs::write(folder.path().join("in/file"), "content").unwrap();
        let mut tar = Command::new("tar");
        tar.args(["--format=ustar", "-cf", "-", "."]).current_dir(folder.path().join("in"));
        let bytes = tar.output().unwrap().stdout;
        let out = folder.path().join("above/out");
        let archive = received(&bytes, Limits::default()).unwrap().unwrap();
        assert_eq!(archive.unpack(&out, Limits::default()).unwrap(), 1);
        assert_eq!(fs::read_to_string(out.join("file")).unwrap(), "content");
        let archive = received(&bytes, Limits::default()).unwrap().unwrap();
        assert!(archive.unpack(&out, Limits::default()).is_err(), "it is not empty");
        let archive = received(&bytes[..700], Limits::default()).unwrap().unwrap();
        let other = folder.path().join("above/other");
        assert!(archive.unpack(&other, Limits::default()).is_err(), "it is cut off");
        assert_eq!(fs::read_dir(folder.path().join("above")).unwrap().count(), 1);
        assert!(received(b"", Limits::default()).unwrap().is_none());
    }

    #[test]
    fn too_much_is_taken_to_its_end_and_refused() {
        let few = Limits { entries: 1, bytes: 1000 };
        let error = received(&vec![1; 1 << 20], few).unwrap_err().to_string();
        assert!(error.contains("more than 0 MiB"), "{error}");
    }
}
