//! Images in the cache: what a user brought, as layers and a configuration.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::{ImageError, Store};

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
        folder.filter_map(|entry| fs::read_to_string(entry.path()).ok())
    }

    /// The place of a layer, which may be absent.
    #[must_use]
    pub fn layer(&self, digest: &str) -> std::path::PathBuf {
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
