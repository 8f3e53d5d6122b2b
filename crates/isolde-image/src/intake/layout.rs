//! Layout folders (OCI image specification, image-layout.md).

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::digest::Digest;
use super::document::{self, Document};
use super::oci::{self, Blobs};
use super::{Intake, IntakeError, Taken};
use crate::ImageError;

/// Takes an image from the layout folder `path`.
pub(super) fn take(
    intake: &Intake<'_>,
    path: &Path,
    wanted: Option<&str>,
) -> Result<Taken, ImageError> {
    let layout = Layout { path: path.to_owned() };
    let what = layout.place();
    if !path.join("oci-layout").exists() {
        let why = match fs::metadata(path) {
            Err(error) => error.to_string(),
            Ok(_) => "it has no file oci-layout".into(),
        };
        return Err(IntakeError::unfit(what, why).into());
    }
    let index = format!("index.json of {what}");
    let bytes = document::read(plain_file(&path.join("index.json"), &index)?, &index)?;
    let Document::Index(entries) = Document::parse(&bytes, &index)? else {
        return Err(IntakeError::unfit(index, "it is not an index").into());
    };
    let (entry, names) = oci::pick(&entries, wanted, intake, &what)?;
    let root = oci::root(&layout, &entry)?;
    let tag = wanted.map(|wanted| format!(":{wanted}")).unwrap_or_default();
    let origin = format!("oci:{}{tag}", path.display());
    oci::take(intake, &layout, root, names, origin)
}

struct Layout {
    path: PathBuf,
}

impl Blobs for Layout {
    fn place(&self) -> String {
        format!("the layout {}", self.path.display())
    }

    fn open(
        &self,
        digest: &Digest,
        _: Option<u64>,
        what: &str,
    ) -> Result<Box<dyn Read + Send + '_>, ImageError> {
        let path = self.path.join("blobs/sha256").join(digest.hex());
        Ok(Box::new(plain_file(&path, what)?))
    }
}

/// Opens a file that is one: a pipe would never end, a device neither.
fn plain_file(path: &Path, what: &str) -> Result<File, ImageError> {
    let refuse = |why: String| IntakeError::unfit(what, format!("{} {why}", path.display())).into();
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options()
        .read(true)
        // Opening a pipe would wait for a writer.
        .custom_flags(flags)
        .open(path)
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        _ => Err(refuse("is no plain file".into())),
    }
}
