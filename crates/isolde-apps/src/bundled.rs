//! The pictures that this program brings along.

use include_dir::{Dir, include_dir};

/// Frames of road scenes, which several applications look at.
pub(crate) static SCENES: Dir<'_> =
    include_dir!("$CARGO_MANIFEST_DIR/assets/driving-scenario/images");

/// Bundled pictures, with the number that each must give, in the order of the
/// inputs.
#[derive(Clone, Copy)]
pub(crate) struct Bundled {
    /// The files.
    pub(crate) images: &'static Dir<'static>,
    /// `labels.csv`: a heading, then file name and number in each line.
    pub(crate) labels: &'static str,
}

impl Bundled {
    /// File name and label of each picture.
    pub(crate) fn labels(self) -> impl Iterator<Item = (&'static str, u32)> {
        self.labels.lines().skip(1).filter_map(|line| {
            let (name, label) = line.split_once(',')?;
            Some((name, label.trim().parse().ok()?))
        })
    }

    pub(crate) fn count(self) -> u32 {
        u32::try_from(self.labels().count()).unwrap_or(u32::MAX)
    }

    /// Name and encoded bytes of each picture.
    pub(crate) fn pictures(self) -> Vec<(String, &'static [u8])> {
        self.labels()
            .filter_map(|(name, _)| Some((name.to_owned(), self.images.get_file(name)?.contents())))
            .collect()
    }
}
