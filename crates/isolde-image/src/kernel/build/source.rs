//! Where a kernel's source comes from.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{QUICK, TAR, Watch, failed};
use crate::kernel::{deb, facts, fetch};
use crate::tool::Tool;
use crate::{ImageError, Store};

const APT_CACHE: Tool = Tool { name: "apt-cache", package: "apt" };
const QUERY_PATIENCE: Duration = Duration::from_secs(60);
/// A kernel's source, packed, has 140 MB.
const MOST_PACKED: u64 = 1 << 30;

/// A kernel's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelSource {
    /// The distribution's newest, from its package `linux-source-...`.
    Distribution,
    /// An archive with the source in its one folder, as kernel.org has them.
    Archive(PathBuf),
}

/// A source that was found, not yet fetched.
pub(super) struct Source {
    /// In words.
    pub(super) name: String,
    /// What tells it from any other.
    pub(super) identity: String,
    place: Place,
}

enum Place {
    Package(String),
    Archive(PathBuf),
}

impl Source {
    pub(super) fn find(
        source: &KernelSource,
        store: &Store,
        folder: &Path,
    ) -> Result<Self, ImageError> {
        match source {
            KernelSource::Archive(path) => {
                let path = fs::canonicalize(path)
                    .map_err(|error| ImageError::file("read", path, error))?;
                let identity = facts::digest(&path, store)?;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Self { name, identity, place: Place::Archive(path) })
            }
            KernelSource::Distribution => {
                let (package, version) = newest_package(folder)?;
                let name = format!("{package} {version}");
                Ok(Self { identity: name.clone(), name, place: Place::Package(package) })
            }
        }
    }

    /// The source as a new folder in `scratch`.
    pub(super) fn unpack(
        &self,
        scratch: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<PathBuf, ImageError> {
        let archive = match &self.place {
            Place::Archive(path) => path.clone(),
            Place::Package(package) => {
                (watch.progress)(&format!("downloading {package}"));
                archive_of(package, scratch)?
            }
        };
        let tree = scratch.join("source");
        fs::create_dir(&tree).map_err(|error| ImageError::file("make", &tree, error))?;
        (watch.progress)(&format!("unpacking {}", self.name));
        let arguments = [
            "-xf".as_ref(),
            archive.as_os_str(),
            "--strip-components=1".as_ref(),
            "--no-same-owner".as_ref(),
        ];
        TAR.follow(arguments, &[], &tree, QUICK, watch)?;
        if !tree.join("Kconfig").exists() {
            return Err(failed(format!("{} is no source of a kernel", archive.display())));
        }
        Ok(tree)
    }
}

/// The package that `linux-source` stands for, and its version.
fn newest_package(folder: &Path) -> Result<(String, String), ImageError> {
    const META: &str = "linux-source";
    let none = || ImageError::NoPackage { tried: META.to_owned() };
    let text = APT_CACHE.run(["depends", META], &[], folder, QUERY_PATIENCE);
    let package = fetch::dependencies(&text.map_err(|_| none())?)
        .into_iter()
        .find(|name| name.starts_with("linux-source-"))
        .ok_or_else(none)?;
    let text = APT_CACHE.run(["policy", &package], &[], folder, QUERY_PATIENCE)?;
    let version = text.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    let version = version.filter(|version| *version != "(none)").ok_or_else(none)?.to_owned();
    Ok((package, version))
}

/// The archive in the source package, as a file in `scratch`.
fn archive_of(package: &str, scratch: &Path) -> Result<PathBuf, ImageError> {
    let files = fetch::download(&[package.to_owned()], &scratch.join("package"))?;
    let file = files.first().ok_or_else(|| failed(format!("apt-get brought no {package}")))?;
    let opened = File::open(file).map_err(|error| ImageError::file("read", file, error))?;
    let archive = scratch.join("source.tar");
    let mut found = false;
    deb::read(BufReader::new(opened), |name, content| {
        let file = name.file_name().unwrap_or_default().to_string_lossy();
        if !file.starts_with("linux-source-") || !file.contains(".tar") || found {
            return Ok(());
        }
        found = true;
        let copied = File::create_new(&archive)
            .and_then(|mut file| io::copy(&mut content.take(MOST_PACKED), &mut file));
        copied.map(|_| ()).map_err(|error| format!("{}: {error}", archive.display()))
    })
    .map_err(|reason| ImageError::Package { path: file.clone(), reason })?;
    if found { Ok(archive) } else { Err(failed(format!("{package} holds no archive"))) }
}
