//! What a model's input means: from its shape, its metadata and what the user says.

use isolde_model::{Colour, Element, Layout, PictureInput, PictureInputError, PictureSize, Resize};

use super::metadata::{HintError, Hints, Normalisation, hints};
use super::outline::{Axis, Outline, TensorInfo};

/// Why it cannot be told how pictures become the model's input.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MeaningError {
    /// Not one input that could be a picture.
    #[error(
        "its inputs are {found}: one input of float32, float16 or uint8 with four axes, the first for the batch, is taken as a picture; give others as arrays with --input-npz"
    )]
    NotOnePicture {
        /// What there is.
        found: String,
    },
    /// A fixed batch of several.
    #[error(
        "its input {input} takes {batch} pictures at once: export it with a batch of 1 or a dynamic one"
    )]
    Batch {
        /// The input.
        input: String,
        /// How many.
        batch: u64,
    },
    /// Channels that no picture has.
    #[error(
        "its input {input} has {channels} channels in the layout {layout}: 1 (grey) and 3 (colour) can be given; --layout nchw or nhwc says which axis they are on"
    )]
    Channels {
        /// The input.
        input: String,
        /// How many.
        channels: u64,
        /// The layout that was told or found.
        layout: Layout,
    },
    /// Two that say different things.
    #[error("its input {input} contradicts {told}")]
    Contradiction {
        /// The input.
        input: String,
        /// What was said, as flag.
        told: String,
    },
    /// Some of it is said nowhere.
    #[error("cannot tell how pictures become its input {input}: {missing}; {metadata}")]
    Untold {
        /// The input.
        input: String,
        /// What is missing, each with the flag to add.
        missing: String,
        /// Which keys its metadata has.
        metadata: String,
    },
    /// Metadata or flags that make no sense.
    #[error(transparent)]
    Hint(#[from] HintError),
    /// Values that make no sense together.
    #[error(transparent)]
    Input(#[from] PictureInputError),
}

const NO_LAYOUT: &str =
    "which axis has the channels is not clear: add --layout nchw or --layout nhwc";
const NO_SIZE: &str = "its height and width are not fixed: add --size WxH";
const NO_VALUES: &str = "nothing says what range its pixels have: add --normalise unit (0 to 1), \
     signed (-1 to 1), imagenet or raw (0 to 255), or --scale, --mean and --std";

/// How pictures become the input of the model with this outline; what is
/// `told` goes before what its metadata says.
///
/// # Errors
/// What cannot be told, and which flag would tell it.
pub fn meaning(outline: &Outline, told: Hints) -> Result<PictureInput, MeaningError> {
    let (info, axes, element) = one_picture(outline)?;
    let known = told.or(hints(&outline.metadata)?);
    let input = info.to_string();
    if let Some(batch) = axes[0].length.filter(|batch| *batch != 1) {
        return Err(MeaningError::Batch { input, batch });
    }
    let mut missing = Vec::new();
    let layout = known.layout.or_else(|| denoted(axes)).or_else(|| by_channels(axes));
    let shape = layout.map(|layout| Shape::of(layout, axes));
    let size = match &shape {
        Some(shape) => shape.size(known.size, &input)?,
        None => {
            missing.push(NO_LAYOUT);
            known.size
        }
    };
    // The axis in the middle is a side in every layout.
    if size.is_none() && (shape.is_some() || axes[2].length.is_none()) {
        missing.push(NO_SIZE);
    }
    let values = values(element, told.values, known.values, &input)?;
    if values.is_none() {
        missing.push(NO_VALUES);
    }
    let (Some(shape), Some(size), Some(values)) = (shape, size, values) else {
        let metadata = keys(outline);
        return Err(MeaningError::Untold { input, missing: missing.join("; "), metadata });
    };
    let picture = PictureInput {
        name: info.name.clone(),
        element,
        layout: shape.layout,
        size,
        colour: shape.colour(known.colour, &input)?,
        resize: known.resize.unwrap_or(Resize::Stretch),
        scale: values.scale,
        mean: values.mean,
        deviation: values.deviation,
    };
    picture.check()?;
    Ok(picture)
}

/// The normalisation: of bytes there is none.
fn values(
    element: Element,
    told: Option<Normalisation>,
    known: Option<Normalisation>,
    input: &str,
) -> Result<Option<Normalisation>, MeaningError> {
    match element {
        Element::Uint8 if told.is_some() => Err(MeaningError::Contradiction {
            input: input.to_owned(),
            told: "--normalise, --scale, --mean and --std: it takes bytes as they are".into(),
        }),
        Element::Uint8 => Ok(Some(Normalisation::RAW)),
        _ => Ok(known),
    }
}

/// Which metadata there is, in words.
fn keys(outline: &Outline) -> String {
    let keys: Vec<&str> = outline.metadata.keys().map(String::as_str).take(20).collect();
    match keys[..] {
        [] => "it has no metadata".into(),
        _ => format!("its metadata has {}", keys.join(", ")),
    }
}

fn one_picture(outline: &Outline) -> Result<(&TensorInfo, &[Axis; 4], Element), MeaningError> {
    if let [info] = &outline.inputs[..]
        && let Some(axes) = info.axes.as_deref().and_then(|axes| axes.try_into().ok())
    {
        // TensorProto.DataType of onnx.proto.
        match info.element {
            Some(1) => return Ok((info, axes, Element::Float32)),
            Some(2) => return Ok((info, axes, Element::Uint8)),
            Some(10) => return Ok((info, axes, Element::Float16)),
            _ => {}
        }
    }
    let found: Vec<String> = outline.inputs.iter().take(20).map(ToString::to_string).collect();
    let found = if found.is_empty() { "none".into() } else { found.join(", ") };
    Err(MeaningError::NotOnePicture { found })
}

/// The layout that the model's axes are named by (DimensionDenotation.md).
fn denoted(axes: &[Axis; 4]) -> Option<Layout> {
    match axes.iter().position(|axis| axis.denotation == "DATA_CHANNEL") {
        Some(1) => Some(Layout::Nchw),
        Some(3) => Some(Layout::Nhwc),
        _ => None,
    }
}

/// The layout by which just one axis can be the channels.
fn by_channels(axes: &[Axis; 4]) -> Option<Layout> {
    let channels = |axis: &Axis| matches!(axis.length, Some(1 | 3));
    match (channels(&axes[1]), channels(&axes[3])) {
        (true, false) => Some(Layout::Nchw),
        (false, true) => Some(Layout::Nhwc),
        _ => None,
    }
}

/// The axes by what they are.
struct Shape {
    layout: Layout,
    channels: Option<u64>,
    height: Option<u64>,
    width: Option<u64>,
}

impl Shape {
    fn of(layout: Layout, axes: &[Axis; 4]) -> Self {
        let [channels, height, width] = match layout {
            Layout::Nchw => [1, 2, 3],
            Layout::Nhwc => [3, 1, 2],
        }
        .map(|place| axes[place].length);
        Self { layout, channels, height, width }
    }

    /// The size: fixed, or told where it is not.
    fn size(
        &self,
        told: Option<PictureSize>,
        input: &str,
    ) -> Result<Option<PictureSize>, MeaningError> {
        let contradiction = |size: PictureSize| MeaningError::Contradiction {
            input: input.to_owned(),
            told: format!("a size of {size} in the layout {}", self.layout),
        };
        if let Some(size) = told {
            let fits =
                |fixed: Option<u64>, told: u32| fixed.is_none_or(|fixed| fixed == u64::from(told));
            let fits = fits(self.width, size.width) && fits(self.height, size.height);
            return if fits { Ok(told) } else { Err(contradiction(size)) };
        }
        let side =
            |length: Option<u64>| length.map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        let sides = side(self.width).zip(side(self.height));
        Ok(sides.map(|(width, height)| PictureSize { width, height }))
    }

    /// The colour: told, else by the number of channels; three are red, green
    /// and blue, as in most networks.
    fn colour(&self, told: Option<Colour>, input: &str) -> Result<Colour, MeaningError> {
        let input = input.to_owned();
        match (self.channels, told) {
            (Some(channels), _) if !matches!(channels, 1 | 3) => {
                Err(MeaningError::Channels { input, channels, layout: self.layout })
            }
            (Some(channels), Some(colour)) if channels != colour.channels() as u64 => {
                Err(MeaningError::Contradiction { input, told: format!("the colour {colour}") })
            }
            (_, Some(colour)) => Ok(colour),
            (Some(1), None) => Ok(Colour::Grey),
            (_, None) => Ok(Colour::Rgb),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An outline with one input; 0 stands for a length that is not fixed.
    fn outline(element: i64, lengths: &[u64]) -> Outline {
        let axis = |&length| Axis { length: Some(length).filter(|l| *l > 0), ..Axis::default() };
        let axes = Some(lengths.iter().map(axis).collect());
        let input =
            TensorInfo { name: "in".into(), element: Some(element), axes, ..TensorInfo::default() };
        Outline { inputs: vec![input], ..Outline::default() }
    }

    const UNIT: Hints = Hints {
        layout: None,
        size: None,
        colour: None,
        resize: None,
        values: Some(Normalisation::UNIT),
    };

    #[test]
    fn the_shape_tells_layout_size_and_colour() {
        let nchw = meaning(&outline(1, &[0, 3, 4, 5]), UNIT).unwrap();
        assert_eq!((nchw.layout, nchw.colour), (Layout::Nchw, Colour::Rgb));
        assert_eq!(nchw.size, PictureSize { width: 5, height: 4 });
        let nhwc = meaning(&outline(2, &[1, 4, 5, 1]), Hints::default()).unwrap();
        assert_eq!((nhwc.layout, nhwc.colour), (Layout::Nhwc, Colour::Grey));
        assert_eq!((nhwc.element, nhwc.scale), (Element::Uint8, 1.0));
        let size = Some(PictureSize { width: 8, height: 6 });
        let dynamic = meaning(&outline(10, &[1, 3, 0, 0]), Hints { size, ..UNIT }).unwrap();
        assert_eq!(Some(dynamic.size), size);
    }

    #[test]
    fn what_is_not_told_is_asked_for_by_its_flag() {
        let ask = |outline: &Outline, hints| meaning(outline, hints).unwrap_err().to_string();
        let all = ask(&outline(1, &[0, 0, 0, 0]), Hints::default());
        for flag in ["--layout", "--size", "--normalise", "--scale", "no metadata", "[?, ?, ?, ?]"]
        {
            assert!(all.contains(flag), "{all}");
        }
        let both = ask(&outline(1, &[1, 3, 4, 3]), UNIT);
        assert!(both.contains("--layout") && !both.contains("--size"), "{both}");
        let mut keys = outline(1, &[1, 3, 4, 4]);
        keys.metadata.insert("vendor".into(), "x".into());
        assert!(ask(&keys, Hints::default()).contains("vendor"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refuse = |outline: &Outline, hints| meaning(outline, hints).unwrap_err().to_string();
        assert!(refuse(&outline(1, &[8, 3, 4, 4]), UNIT).contains("8 pictures"));
        assert!(refuse(&outline(7, &[1, 3, 4, 4]), UNIT).contains("int64"));
        assert!(refuse(&outline(1, &[1, 16]), UNIT).contains("four axes"));
        assert!(refuse(&Outline::default(), UNIT).contains("none"));
        let layout = Some(Layout::Nchw);
        assert!(
            refuse(&outline(1, &[1, 4, 5, 3]), Hints { layout, ..UNIT }).contains("4 channels")
        );
        let size = Some(PictureSize { width: 4, height: 5 });
        assert!(refuse(&outline(1, &[1, 3, 4, 4]), Hints { size, ..UNIT }).contains("4x5"));
        let colour = Some(Colour::Grey);
        assert!(refuse(&outline(1, &[1, 3, 4, 4]), Hints { colour, ..UNIT }).contains("grey"));
        assert!(refuse(&outline(2, &[1, 3, 4, 4]), UNIT).contains("bytes as they are"));
        assert!(refuse(&outline(1, &[1, 3, 99999, 4]), UNIT).contains("99999"));
    }
}
