//! A folder's files as a further layer upon an image that is in the cache.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::digest::Digest;
use super::{Intake, Platform, Taken, folder};
use crate::{Image, ImageConfig, ImageError};

impl Intake<'_> {
    /// Makes an image called `name` of `base` and, upon it, what is in the folder
    /// `root`; it is run as `config` says. `origin` says in words where it comes from.
    /// `base` must stay in the cache meanwhile: hold it from before ([`Store::hold`]).
    ///
    /// # Errors
    /// As [`Intake::add`].
    ///
    /// [`Store::hold`]: crate::Store::hold
    pub fn add_upon(
        &self,
        base: &Image,
        root: &Path,
        config: ImageConfig,
        origin: &str,
        name: &str,
    ) -> Result<Image, ImageError> {
        self.enter(Some(name), || {
            let metadata =
                fs::metadata(root).map_err(|error| ImageError::file("read", root, error))?;
            let layer = folder::take_layer(self, root, &metadata)?;
            let mut layers = base.layers.clone();
            layers.push(layer.hex().to_owned());
            let platform: Platform = base.platform.parse()?;
            let id = id(&layers, &config, &platform);
            let (names, manifest, origin) = (Vec::new(), None, origin.to_owned());
            Ok(Taken { id, names, manifest, platform, config, layers, origin })
        })
    }
}

/// The digest of all that determines such an image.
fn id(layers: &[String], config: &ImageConfig, platform: &Platform) -> String {
    let everything = serde_json::json!({
        "config": config,
        "layers": layers,
        "platform": platform.to_string(),
    });
    Digest::of(&Sha256::digest(everything.to_string())).hex().to_owned()
}
