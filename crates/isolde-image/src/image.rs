//! Images in the cache: what a user brought, as layers and a configuration.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{ImageError, ImageName, IntakeError, Store};

/// Shortest beginning of an id that is taken for one.
const PREFIX: usize = 6;

/// An image in the cache. Its layers lie in the cache as uncompressed tar
/// archives, named by their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// SHA-256 in hex of the image's configuration, or of what stands for it: it
    /// determines the layers and how the image is run.
    pub id: String,
    /// Names by which it can be found, such as `debian:12`.
    pub names: Vec<String>,
    /// Digest of the manifest it was pulled by, `sha256:…`.
    pub manifest: Option<String>,
    /// Operating system and architecture, as in `linux/amd64`.
    pub platform: String,
    /// How it is run.
    pub config: ImageConfig,
    /// SHA-256 in hex of each uncompressed layer, the lowest first.
    pub layers: Vec<String>,
    /// Bytes of all uncompressed layers.
    pub bytes: u64,
    /// Where it came from, in words.
    pub origin: String,
    /// When it was added, seconds since 1970.
    pub added_s: u64,
}

/// What of an image's configuration says how it is run (OCI image
/// specification, config.md).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// What runs, whatever the command is.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// The command, or the entry point's arguments.
    #[serde(default)]
    pub cmd: Vec<String>,
    /// Variables, each `NAME=VALUE`.
    #[serde(default)]
    pub env: Vec<String>,
    /// Folder in which it runs; empty for `/`.
    #[serde(default)]
    pub workdir: String,
    /// `user`, `user:group`, `uid` or `uid:gid`; empty for root.
    #[serde(default)]
    pub user: String,
}

impl Image {
    /// The first digits of its id, enough to name it by.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

impl Store {
    /// Every image in the cache, by name.
    #[must_use]
    pub fn images(&self) -> Vec<Image> {
        let mut images: Vec<Image> =
            self.records().filter_map(|text| serde_json::from_str(&text).ok()).collect();
        images.sort_by(|a, b| (&a.names, &a.id).cmp(&(&b.names, &b.id)));
        images
    }

    fn records(&self) -> impl Iterator<Item = String> {
        let folder = fs::read_dir(self.place(Self::IMAGES, "")).into_iter().flatten().flatten();
        // Not what somebody is just writing.
        let whole = folder.filter(|entry| entry.path().extension().is_some_and(|e| e == "json"));
        whole.filter_map(|entry| fs::read_to_string(entry.path()).ok())
    }

    /// The image of this id, of an id that begins so (6 digits or more), or of
    /// this name, where `debian` is `docker.io/library/debian:latest`.
    ///
    /// # Errors
    /// That several ids begin so.
    pub fn find_image(&self, name_or_id: &str) -> Result<Option<Image>, ImageError> {
        let images = self.images();
        let digits = name_or_id.strip_prefix("sha256:").unwrap_or(name_or_id);
        if digits.len() >= PREFIX && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let digits = digits.to_ascii_lowercase();
            let found: Vec<&Image> =
                images.iter().filter(|image| image.id.starts_with(&digits)).collect();
            match found.as_slice() {
                [] => {}
                [only] => return Ok(Some((*only).clone())),
                several => {
                    let ids: Vec<&str> = several.iter().map(|image| image.short_id()).collect();
                    let (prefix, ids) = (name_or_id.to_owned(), ids.join(", "));
                    return Err(IntakeError::Ambiguous { prefix, ids }.into());
                }
            }
        }
        let Ok(name) = name_or_id.parse::<ImageName>() else { return Ok(None) };
        let name = name.to_string();
        Ok(images.into_iter().find(|image| image.names.contains(&name)))
    }

    /// Writes `image` down, with the names that it had before, and takes its
    /// names from all others: a name means one image.
    pub(crate) fn enter_image(&self, mut image: Image) -> Result<Image, ImageError> {
        let _lock = self.lock_records()?;
        for mut other in self.images() {
            if other.id == image.id {
                let kept: Vec<String> =
                    other.names.into_iter().filter(|name| !image.names.contains(name)).collect();
                image.names.extend(kept);
            } else if other.names.iter().any(|name| image.names.contains(name)) {
                other.names.retain(|name| !image.names.contains(name));
                self.keep_image(&other)?;
            }
        }
        image.names.sort();
        image.names.dedup();
        self.keep_image(&image)?;
        Ok(image)
    }

    /// Whether a layer is in the cache, whole and as it was written.
    pub(crate) fn has_layer(&self, digest: &str) -> bool {
        fs::symlink_metadata(self.layer(digest))
            .is_ok_and(|found| found.is_file() && found.mtime() == 0)
    }

    /// The place of a layer, which may be absent.
    #[must_use]
    pub fn layer(&self, digest: &str) -> PathBuf {
        self.place(Self::LAYERS, digest)
    }

    /// Keeps `image`, whose layers must be in the cache. An image of the same id
    /// is replaced.
    ///
    /// # Errors
    /// That it cannot be written.
    pub fn keep_image(&self, image: &Image) -> Result<(), ImageError> {
        let text = serde_json::to_vec_pretty(image).map_err(|error| {
            ImageError::file("write", self.place(Self::IMAGES, &image.id), error)
        })?;
        self.replace(Self::IMAGES, &format!("{}.json", image.id), |path| {
            fs::write(path, &text).map_err(|error| ImageError::file("write", path, error))
        })
    }
}
