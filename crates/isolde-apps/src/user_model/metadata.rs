//! What a model's metadata says about its input, by the conventions that are known.

use std::collections::BTreeMap;
use std::str::FromStr;

use isolde_model::{Colour, Element, Layout, PictureInput, PictureSize, Resize};

/// What somebody says about a model's input: the user by flags, or the model by
/// its metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Hints {
    /// Order of the axes.
    pub layout: Option<Layout>,
    /// Size in pixels.
    pub size: Option<PictureSize>,
    /// Meaning of the channels.
    pub colour: Option<Colour>,
    /// How the size is reached.
    pub resize: Option<Resize>,
    /// How pixels become values.
    pub values: Option<Normalisation>,
}

/// How an 8-bit pixel becomes a value: `(pixel × scale − mean) / deviation`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Factor.
    pub scale: f32,
    /// Subtracted: red, green, blue.
    pub mean: [f32; 3],
    /// Divisor: red, green, blue.
    pub deviation: [f32; 3],
}

impl Normalisation {
    /// 0 to 255.
    pub const RAW: Self = Self { scale: 1.0, mean: [0.0; 3], deviation: [1.0; 3] };
    /// 0 to 1.
    pub const UNIT: Self = Self { scale: 1.0 / 255.0, ..Self::RAW };
    /// -1 to 1.
    pub const SIGNED: Self = Self { mean: [0.5; 3], deviation: [0.5; 3], ..Self::UNIT };
    /// By the statistics of `ImageNet`, as most networks trained on it expect
    /// (<https://docs.pytorch.org/vision/stable/models.html>).
    pub const IMAGENET: Self =
        Self { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225], ..Self::UNIT };
}

/// A text that says nothing of use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HintError {
    /// A normalisation without a name.
    #[error("`{0}` is no normalisation: write unit, signed, imagenet or raw")]
    Normalisation(String),
    /// Something else than numbers.
    #[error(
        "`{0}` is not a number, such as 0.5 or 1/255, or one for each of red, green and blue: r,g,b"
    )]
    Numbers(String),
    /// A metadata value that cannot be read.
    #[error("the model's metadata says `{key}` = `{value}`: {reason}")]
    Metadata {
        /// The key.
        key: String,
        /// What it says.
        value: String,
        /// Why that is of no use.
        reason: String,
    },
}

impl FromStr for Normalisation {
    type Err = HintError;

    fn from_str(text: &str) -> Result<Self, HintError> {
        match text.to_ascii_lowercase().as_str() {
            "raw" => Ok(Self::RAW),
            "unit" => Ok(Self::UNIT),
            "signed" => Ok(Self::SIGNED),
            "imagenet" => Ok(Self::IMAGENET),
            _ => Err(HintError::Normalisation(text.to_owned())),
        }
    }
}

/// Reads a number or a fraction, as in `1/255`.
///
/// # Errors
/// That it is none.
pub fn number(text: &str) -> Result<f32, HintError> {
    let one = |digits: &str| digits.trim().parse::<f32>().ok().filter(|value| value.is_finite());
    let value = match text.split_once('/') {
        Some((above, below)) => one(above).zip(one(below)).map(|(above, below)| above / below),
        None => one(text),
    };
    value.filter(|value| value.is_finite()).ok_or_else(|| HintError::Numbers(text.to_owned()))
}

/// Reads one number for all channels or one for each, `r,g,b`.
///
/// # Errors
/// That it is neither.
pub fn per_channel(text: &str) -> Result<[f32; 3], HintError> {
    let wrong = || HintError::Numbers(text.to_owned());
    let bare = text.trim().trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
    let numbers: Vec<f32> =
        bare.split(',').map(number).collect::<Result<_, _>>().map_err(|_| wrong())?;
    match numbers[..] {
        [all] => Ok([all; 3]),
        [r, g, b] => Ok([r, g, b]),
        _ => Err(wrong()),
    }
}

/// What the metadata says. Isolde's own keys go before those of the ONNX
/// standard, these before the conventions of tools.
pub(super) fn hints(metadata: &BTreeMap<String, String>) -> Result<Hints, HintError> {
    Ok(own(metadata)?.or(standard(metadata)).or(ultralytics(metadata)))
}

impl Hints {
    /// What must be told so that the input becomes this one again.
    #[must_use]
    pub fn of(input: &PictureInput) -> Self {
        let &PictureInput { layout, size, colour, resize, scale, mean, deviation, .. } = input;
        let values = Normalisation { scale, mean, deviation };
        Self {
            layout: Some(layout),
            size: Some(size),
            colour: Some(colour),
            resize: Some(resize),
            values: (input.element != Element::Uint8).then_some(values),
        }
    }

    /// These, completed by `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            layout: self.layout.or(others.layout),
            size: self.size.or(others.size),
            colour: self.colour.or(others.colour),
            resize: self.resize.or(others.resize),
            values: self.values.or(others.values),
        }
    }
}

/// Keys of Isolde's own, documented in docs/models.md.
fn own(metadata: &BTreeMap<String, String>) -> Result<Hints, HintError> {
    let get = |name: &str| Entry { key: format!("isolde.{name}"), metadata };
    let preset = get("normalise").read(str::parse::<Normalisation>)?;
    let scale = get("scale").read(number)?;
    let mean = get("mean").read(per_channel)?;
    let deviation = get("std").read(per_channel)?;
    let values = (preset.is_some() || scale.is_some() || mean.is_some() || deviation.is_some())
        .then(|| {
            let base = preset.unwrap_or(Normalisation::RAW);
            Normalisation {
                scale: scale.unwrap_or(base.scale),
                mean: mean.unwrap_or(base.mean),
                deviation: deviation.unwrap_or(base.deviation),
            }
        });
    Ok(Hints {
        layout: get("layout").read(str::parse)?,
        size: get("size").read(str::parse)?,
        colour: get("colour").read(str::parse)?,
        resize: get("resize").read(str::parse)?,
        values,
    })
}

struct Entry<'a> {
    key: String,
    metadata: &'a BTreeMap<String, String>,
}

impl Entry<'_> {
    fn read<T, E: std::fmt::Display>(
        self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, HintError> {
        let Some(value) = self.metadata.get(&self.key) else { return Ok(None) };
        parse(value).map(Some).map_err(|error| HintError::Metadata {
            key: self.key,
            value: value.chars().filter(|c| !c.is_control()).take(80).collect(),
            reason: error.to_string(),
        })
    }
}

/// The image category of the ONNX standard; keys and values in any case
/// (<https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md>). A range or
/// format that it names but that is not offered here tells nothing.
fn standard(metadata: &BTreeMap<String, String>) -> Hints {
    let get = |name: &str| {
        let found = metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default()
    };
    let colour = match get("Image.BitmapPixelFormat").as_str() {
        "gray8" => Some(Colour::Grey),
        "rgb8" => Some(Colour::Rgb),
        "bgr8" => Some(Colour::Bgr),
        _ => None,
    };
    let values = match get("Image.NominalPixelRange").as_str() {
        "nominalrange_0_255" => Some(Normalisation::RAW),
        "normalized_0_1" => Some(Normalisation::UNIT),
        "normalized_1_1" => Some(Normalisation::SIGNED),
        _ => None,
    };
    Hints { colour, values, ..Hints::default() }
}

/// What the exporters of Ultralytics write: `stride` and `names`, newer ones
/// `task` and `imgsz` (height, width) as well. Their networks take RGB from 0 to
/// 1; detectors letterbox, classifiers crop
/// (<https://docs.ultralytics.com/modes/export/>,
/// <https://docs.ultralytics.com/reference/data/augment/>).
fn ultralytics(metadata: &BTreeMap<String, String>) -> Hints {
    if !(metadata.contains_key("stride") && metadata.contains_key("names")) {
        return Hints::default();
    }
    let classifies = metadata.get("task").is_some_and(|task| task == "classify");
    let size = metadata.get("imgsz").and_then(|text| {
        let sides = text.trim().strip_prefix('[')?.strip_suffix(']')?;
        let mut sides = sides.split(',').map(|side| side.trim().parse().ok());
        let (height, width) = (sides.next()??, sides.next()??);
        let size = PictureSize { width, height };
        size.check().is_ok().then_some(size)
    });
    Hints {
        layout: None,
        size,
        colour: Some(Colour::Rgb),
        resize: Some(if classifies { Resize::Crop } else { Resize::Letterbox }),
        values: Some(Normalisation::UNIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<Hints, HintError> {
        hints(&entries.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect())
    }

    #[test]
    fn numbers_come_as_fractions_and_threes() {
        assert_eq!(number("1/4"), Ok(0.25));
        assert_eq!(per_channel("0.5"), Ok([0.5; 3]));
        assert_eq!(per_channel("[1, 2,3/2]"), Ok([1.0, 2.0, 1.5]));
        for text in ["", "1/0", "1,2", "x", "nan", "1,2,3,4", "1/2/3"] {
            assert!(per_channel(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_known_convention_is_understood() {
        let yolo =
            read(&[("stride", "32"), ("names", "{}"), ("task", "detect"), ("imgsz", "[480, 640]")])
                .unwrap();
        assert_eq!(yolo.size, Some(PictureSize { width: 640, height: 480 }));
        assert_eq!((yolo.resize, yolo.colour), (Some(Resize::Letterbox), Some(Colour::Rgb)));
        assert_eq!(yolo.values, Some(Normalisation::UNIT));
        let image =
            [("image.bitmappixelformat", "BGR8"), ("Image.NominalPixelRange", "Normalized_1_1")];
        let image = read(&image).unwrap();
        assert_eq!((image.colour, image.values), (Some(Colour::Bgr), Some(Normalisation::SIGNED)));
        let own = [
            ("isolde.scale", "1/255"),
            ("isolde.mean", "0.1,0.2,0.3"),
            ("isolde.size", "8x4"),
            ("isolde.layout", "nhwc"),
            ("isolde.resize", "crop"),
            ("isolde.colour", "bgr"),
        ];
        let own = read(&own).unwrap();
        let values = Normalisation { mean: [0.1, 0.2, 0.3], ..Normalisation::UNIT };
        assert_eq!(own.values, Some(values));
        assert_eq!(own.layout, Some(Layout::Nhwc));
    }

    #[test]
    fn own_keys_go_before_others_and_must_be_right() {
        let both = [("isolde.normalise", "raw"), ("stride", "32"), ("names", "{}")];
        assert_eq!(read(&both).unwrap().values, Some(Normalisation::RAW));
        let wrong = read(&[("isolde.size", "big")]).unwrap_err().to_string();
        assert!(wrong.contains("isolde.size") && wrong.contains("640x480"), "{wrong}");
    }
}
