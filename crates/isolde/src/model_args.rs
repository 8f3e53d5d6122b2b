//! The arguments for a model of the user's.

use std::path::{Path, PathBuf};

use clap::Args;
use isolde_apps::user_model::{Hints, Normalisation, number, per_channel};
use isolde_model::{Colour, Layout, PictureSize, Resize};

/// On each argument: a heading for all would stay for the arguments after them.
const HEADING: &str = "A model of your own (what its metadata says need not be said here)";

/// Where a model's inputs are, and what is said of them.
pub(crate) enum Given<'a> {
    Pictures {
        folder: &'a Path,
        hints: Hints,
    },
    /// A file of arrays, or a folder of such files.
    Arrays(&'a Path),
}

#[derive(Debug, Args)]
pub(crate) struct ModelArguments {
    /// An ONNX model to run, with pictures or arrays as its inputs
    #[arg(long, help_heading = HEADING, value_name = "FILE", requires = "model-inputs",
          conflicts_with_all = ["applications", "plan", "image", "command", "bring", "ready", "name"])]
    pub(crate) model: Option<PathBuf>,
    /// The folder with its pictures: JPEG and PNG files, nothing else
    #[arg(long, help_heading = HEADING, value_name = "DIR", requires = "model", group = "model-inputs")]
    pub(crate) input: Option<PathBuf>,
    /// A .npz file of numpy.savez with an array for each of its inputs, or a folder of such files
    #[arg(long, help_heading = HEADING, value_name = "PATH", requires = "model", group = "model-inputs",
          conflicts_with_all = ["size", "layout", "colour", "resize", "normalise", "scale", "mean",
                                "std"])]
    pub(crate) input_npz: Option<PathBuf>,
    /// Width and height of its input in pixels, where the model leaves them open
    #[arg(long, help_heading = HEADING, value_name = "WxH", requires = "model")]
    pub(crate) size: Option<PictureSize>,
    /// Order of its input's axes: nchw or nhwc [default: told by the axis that has 1 or 3]
    #[arg(long, help_heading = HEADING, value_name = "ORDER", requires = "model")]
    pub(crate) layout: Option<Layout>,
    /// What its channels are: rgb, bgr or grey [default: rgb for 3, grey for 1]
    #[arg(long, help_heading = HEADING, value_name = "CHANNELS", requires = "model")]
    pub(crate) colour: Option<Colour>,
    /// How pictures get its size: stretch, letterbox or crop [default: stretch]
    #[arg(long, help_heading = HEADING, value_name = "HOW", requires = "model")]
    pub(crate) resize: Option<Resize>,
    /// What pixels become: unit (0 to 1), signed (-1 to 1), imagenet or raw (0 to 255)
    #[arg(long, help_heading = HEADING, value_name = "RANGE", requires = "model",
          conflicts_with_all = ["scale", "mean", "std"])]
    pub(crate) normalise: Option<Normalisation>,
    /// Factor of pixels of 0 to 255, such as 1/255 [default: 1]
    #[arg(long, help_heading = HEADING, value_name = "X", requires = "model", value_parser = number)]
    pub(crate) scale: Option<f32>,
    /// Subtracted after scaling: red, green, blue, or one number for all [default: 0]
    #[arg(long, help_heading = HEADING, value_name = "R,G,B", requires = "model", value_parser = per_channel,
          allow_hyphen_values = true)]
    pub(crate) mean: Option<[f32; 3]>,
    /// Divided by at last: red, green, blue, or one number for all [default: 1]
    #[arg(long, help_heading = HEADING, value_name = "R,G,B", requires = "model", value_parser = per_channel)]
    pub(crate) std: Option<[f32; 3]>,
}

impl ModelArguments {
    /// The model and where its inputs are, if there is one.
    pub(crate) fn asked_for(&self) -> Option<(&Path, Given<'_>)> {
        let given = match (&self.input, &self.input_npz) {
            (Some(folder), _) => Given::Pictures { folder, hints: self.hints() },
            (None, Some(path)) => Given::Arrays(path),
            (None, None) => return None,
        };
        Some((self.model.as_deref()?, given))
    }

    /// What is said about the model's input.
    fn hints(&self) -> Hints {
        let said = self.scale.is_some() || self.mean.is_some() || self.std.is_some();
        let given = said.then(|| Normalisation {
            scale: self.scale.unwrap_or(Normalisation::RAW.scale),
            mean: self.mean.unwrap_or(Normalisation::RAW.mean),
            deviation: self.std.unwrap_or(Normalisation::RAW.deviation),
        });
        Hints {
            layout: self.layout,
            size: self.size,
            colour: self.colour,
            resize: self.resize,
            values: self.normalise.or(given),
        }
    }
}
