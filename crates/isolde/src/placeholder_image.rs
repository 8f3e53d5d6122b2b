//! TO BE DELETED with `isolde_image::bring_image`, which has this signature and
//! also goes to archives, engines and registries. This one finds images that are
//! in the cache already.

use std::io;

use isolde_image::{Image, ImageError, Store};

/// The image that `reference` names by a name or by its id.
pub(crate) fn bring_image(store: &Store, reference: &str) -> Result<Image, ImageError> {
    let named =
        |image: &Image| image.id == reference || image.names.iter().any(|name| name == reference);
    store.images().into_iter().find(named).ok_or_else(|| ImageError::File {
        action: "find the image",
        path: reference.into(),
        source: io::ErrorKind::NotFound.into(),
    })
}
