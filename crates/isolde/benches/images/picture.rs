//! The image: Debian with Python, NumPy, Perl and git, and a small layer above.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// The image in both shapes.
pub(crate) struct Picture {
    /// OCI archive.
    pub(crate) archive: PathBuf,
    /// The same as a layout folder, for umoci.
    pub(crate) layout: PathBuf,
}

const TOOLS: [&str; 3] = ["mmdebstrap", "umoci", "tar"];

const SCRIPT: &str = "\
rm -rf new; mkdir new; cd new
mmdebstrap --quiet --variant=apt --include=python3,python3-numpy,perl,git bookworm system.tar
mkdir -p above/opt/application above/etc
echo application > above/opt/application/main.py
touch above/etc/.wh.hostname
tar -C above -cf above.tar .
umoci init --layout layout
umoci new --image layout:image
umoci raw add-layer --image layout:image system.tar
umoci raw add-layer --image layout:image above.tar
umoci gc --layout layout
tar -C layout -cf image.tar .
rm -rf above above.tar system.tar
cd ..; mv new image";

impl Picture {
    /// Builds it, unless it is there; `None`, with the reason told, where a
    /// tool is missing.
    pub(crate) fn build() -> anyhow::Result<Option<Self>> {
        for tool in TOOLS {
            if Command::new(tool).arg("--version").output().is_err() {
                crate::say(&format!("skipped: {tool} is not installed"));
                return Ok(None);
            }
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-images");
        fs::create_dir_all(&folder)?;
        let image = folder.join("image");
        if !image.exists() {
            let status = Command::new("sh").args(["-euc", SCRIPT]).current_dir(&folder).status()?;
            ensure!(status.success(), "the image cannot be built in {}", folder.display());
        }
        Ok(Some(Self { archive: image.join("image.tar"), layout: image.join("layout") }))
    }

    /// Its size in words.
    pub(crate) fn describe(&self) -> anyhow::Result<String> {
        let folder = tempfile::tempdir()?;
        let store = isolde_image::Store::open(folder.path())?;
        let reference = self.archive.to_str().context("the build folder's name is no text")?;
        let image = isolde_image::bring_image(&store, reference)?;
        Ok(format!(
            "{} layers, {} MiB, packed {} MiB",
            image.layers.len(),
            image.bytes >> 20,
            fs::metadata(&self.archive)?.len() >> 20
        ))
    }
}
