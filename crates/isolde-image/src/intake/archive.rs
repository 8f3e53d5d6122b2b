//! Archives of images, as `docker save`, `podman save`, `skopeo` and
//! `umoci` with `tar` make them.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use super::digest::Digest;
use super::document::{self, Document};
use super::member::Members;
use super::oci::{self, Blobs};
use super::packing::Packing;
use super::spool::Spool;
use super::{Intake, IntakeError, Taken, docker_save};
use crate::ImageError;

/// Takes an image from the archive at `path`.
pub(super) fn open(
    intake: &Intake<'_>,
    path: &Path,
    wanted: Option<&str>,
) -> Result<Taken, ImageError> {
    let read = |error| ImageError::file("read", path, error);
    let what = format!("the archive {}", path.display());
    let mut file = File::open(path).map_err(read)?;
    let metadata = file.metadata().map_err(read)?;
    if metadata.is_dir() {
        let why = "it is a folder: write dir:PATH for a root file system, oci:PATH for a layout";
        return Err(IntakeError::unfit(what, why).into());
    }
    if !metadata.is_file() {
        // A pipe, such as a shell's <(…).
        return take_stream(intake, file, &what, wanted, path.display().to_string());
    }
    let mut head = Vec::new();
    file.by_ref().take(4).read_to_end(&mut head).map_err(read)?;
    file.rewind().map_err(read)?;
    match Packing::of(&head) {
        Packing::Plain => take(intake, Arc::new(file), &what, wanted, path.display().to_string()),
        _ => take_stream(intake, file, &what, wanted, path.display().to_string()),
    }
}

/// Takes an image from an archive that comes as a stream or packed.
pub(super) fn take_stream(
    intake: &Intake<'_>,
    stream: impl Read,
    what: &str,
    wanted: Option<&str>,
    origin: String,
) -> Result<Taken, ImageError> {
    let spool = Spool::fill(intake, stream, what)?;
    let file = spool.file.try_clone().map_err(|error| super::from_io(what, error))?;
    take(intake, Arc::new(file), what, wanted, origin)
}

fn take(
    intake: &Intake<'_>,
    file: Arc<File>,
    what: &str,
    wanted: Option<&str>,
    origin: String,
) -> Result<Taken, ImageError> {
    let archive = Archive { members: Members::of(file, what)?, what: what.to_owned() };
    if archive.members.has("oci-layout") && archive.members.has("index.json") {
        let index = format!("index.json of {what}");
        let bytes = document::read(archive.members.open("index.json", what)?.0, &index)?;
        let Document::Index(entries) = Document::parse(&bytes, &index)? else {
            return Err(IntakeError::unfit(index, "it is not an index").into());
        };
        let (entry, names) = oci::pick(&entries, wanted, intake, what)?;
        let root = oci::root(&archive, &entry)?;
        return oci::take(intake, &archive, root, names, origin);
    }
    if archive.members.has(docker_save::MANIFEST) {
        return docker_save::take(intake, &archive.members, what, wanted, origin);
    }
    let why = "it is neither an archive of `docker save` (no manifest.json) nor an OCI archive (no \
               oci-layout); for a root file system, unpack it and write dir:PATH";
    Err(IntakeError::unfit(what, why).into())
}

struct Archive {
    members: Members,
    what: String,
}

impl Blobs for Archive {
    fn place(&self) -> String {
        self.what.clone()
    }

    fn open(
        &self,
        digest: &Digest,
        _: Option<u64>,
        what: &str,
    ) -> Result<Box<dyn Read + Send + '_>, ImageError> {
        let path = format!("blobs/sha256/{}", digest.hex());
        Ok(Box::new(self.members.open(&path, what)?.0))
    }
}
