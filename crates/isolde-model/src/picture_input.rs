//! How a picture becomes the input of a user's network.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How pictures become the one input tensor of a network. For channel `c` of a
/// resized picture (8 bits a channel) a floating-point input holds
/// `(pixel × scale − mean[c]) / deviation[c]`, an 8-bit input the pixel itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureInput {
    /// Name of the graph's input.
    pub name: String,
    /// Type of its elements.
    pub element: Element,
    /// Order of its axes.
    pub layout: Layout,
    /// What it is resized to.
    pub size: PictureSize,
    /// What the channels are, in their order.
    pub colour: Colour,
    /// How the size is reached.
    pub resize: Resize,
    /// Factor of every pixel.
    pub scale: f32,
    /// Subtracted after scaling: red, green, blue, whatever the order of the
    /// channels. Grey takes the first.
    pub mean: [f32; 3],
    /// Divided by at last, in the same order.
    pub deviation: [f32; 3],
}

/// Largest width or height of a network's input in pixels.
const LARGEST_SIDE: u32 = 16_384;
/// Largest area of a network's input in pixels.
const LARGEST_AREA: u64 = 64 << 20;

/// Why a [`PictureInput`] makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PictureInputError {
    /// A factor or divisor that is zero or no finite number.
    #[error("the {what} is {value}: it must be finite, and scale and deviation not 0")]
    Number {
        /// Which one.
        what: &'static str,
        /// Its value.
        value: f32,
    },
    /// A size that is zero or not meant.
    #[error(
        "a size of {0} pixels is not between 1x1 and 16384x16384 or has more than 64 Mi pixels"
    )]
    Size(PictureSize),
}

impl PictureInput {
    /// Checks that every value is usable.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), PictureInputError> {
        self.size.check()?;
        let number = |what, value: f32, zero: bool| match value {
            value if !value.is_finite() || (!zero && value == 0.0) => {
                Err(PictureInputError::Number { what, value })
            }
            _ => Ok(()),
        };
        number("scale", self.scale, false)?;
        for value in self.mean {
            number("mean", value, true)?;
        }
        for value in self.deviation {
            number("standard deviation", value, false)?;
        }
        Ok(())
    }
}

/// Types of a network's input that a picture can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// IEEE 754 single precision.
    Float32,
    /// Half precision; the engine computes in single precision.
    Float16,
    /// The picture's own bytes.
    Uint8,
}

/// Width and height in pixels, written `WxH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PictureSize {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl PictureSize {
    /// Pixels.
    #[must_use]
    pub const fn area(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// Checks that a network could be meant.
    ///
    /// # Errors
    /// That it is too small or too large.
    pub fn check(self) -> Result<(), PictureInputError> {
        let sides = 1..=LARGEST_SIDE;
        let fits = sides.contains(&self.width) && sides.contains(&self.height);
        if fits && self.area() <= LARGEST_AREA {
            Ok(())
        } else {
            Err(PictureInputError::Size(self))
        }
    }
}

/// A word that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: write {known}")]
pub struct WordError {
    what: &'static str,
    text: String,
    known: &'static str,
}

impl FromStr for PictureSize {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let wrong = || WordError {
            what: "size",
            text: text.to_owned(),
            known: "WIDTHxHEIGHT in pixels, such as 640x480",
        };
        let (width, height) = text.split_once(['x', 'X', '×']).ok_or_else(wrong)?;
        let side = |digits: &str| digits.trim().parse().map_err(|_| wrong());
        let size = Self { width: side(width)?, height: side(height)? };
        size.check().map_err(|_| wrong())?;
        Ok(size)
    }
}

impl fmt::Display for PictureSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl TryFrom<String> for PictureSize {
    type Error = WordError;

    fn try_from(text: String) -> Result<Self, WordError> {
        text.parse()
    }
}

impl From<PictureSize> for String {
    fn from(size: PictureSize) -> Self {
        size.to_string()
    }
}

/// Gives an enum of plain words its text.
macro_rules! words {
    ($name:ident, $what:literal, $known:literal, $($word:literal => $variant:ident),+) => {
        impl FromStr for $name {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, WordError> {
                match text.to_ascii_lowercase().as_str() {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(WordError { what: $what, text: text.to_owned(), known: $known }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

/// Order of an input's axes; the batch is always the first, and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

words!(Layout, "layout", "nchw or nhwc", "nchw" => Nchw, "nhwc" => Nhwc);

/// What the channels of an input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// One channel: luma by the weights of ITU-R BT.601.
    Grey,
}

words!(Colour, "colour", "rgb, bgr or grey", "rgb" => Rgb, "bgr" => Bgr, "grey" => Grey);

impl Colour {
    /// Channels of the tensor.
    #[must_use]
    pub const fn channels(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Grey => 1,
        }
    }
}

/// How a picture of another shape is made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Each side by its own factor.
    Stretch,
    /// Both sides by the smaller factor, in the middle of grey 114.
    Letterbox,
    /// Both sides by the larger factor, then the middle cut out.
    Crop,
}

words!(
    Resize, "way to resize", "stretch, letterbox or crop",
    "stretch" => Stretch, "letterbox" => Letterbox, "crop" => Crop
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_their_text_and_others_are_told() {
        for text in ["nchw", "nhwc"] {
            assert_eq!(text.parse::<Layout>().unwrap().to_string(), text);
        }
        for text in ["rgb", "bgr", "grey"] {
            assert_eq!(text.parse::<Colour>().unwrap().to_string(), text);
        }
        for text in ["stretch", "letterbox", "crop"] {
            assert_eq!(text.parse::<Resize>().unwrap().to_string(), text);
        }
        let error = "gray".parse::<Colour>().unwrap_err().to_string();
        assert_eq!(error, "`gray` is no colour: write rgb, bgr or grey");
        assert_eq!("640x480".parse::<PictureSize>().unwrap().to_string(), "640x480");
        for text in ["640", "0x1", "1x0", "x", "-1x2", "99999x1", "16384x16384"] {
            assert!(text.parse::<PictureSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_that_would_spoil_every_pixel_are_refused() {
        let good = PictureInput {
            name: "x".into(),
            element: Element::Float32,
            layout: Layout::Nchw,
            size: PictureSize { width: 2, height: 3 },
            colour: Colour::Rgb,
            resize: Resize::Stretch,
            scale: 1.0 / 255.0,
            mean: [0.0; 3],
            deviation: [1.0; 3],
        };
        assert_eq!(good.check(), Ok(()));
        let text = toml::to_string(&good).unwrap();
        assert_eq!(toml::from_str::<PictureInput>(&text).unwrap(), good);
        for spoilt in [
            PictureInput { scale: 0.0, ..good.clone() },
            PictureInput { mean: [0.0, f32::NAN, 0.0], ..good.clone() },
            PictureInput { deviation: [1.0, 1.0, 0.0], ..good.clone() },
            PictureInput { size: PictureSize { width: 0, height: 1 }, ..good.clone() },
        ] {
            assert!(spoilt.check().is_err(), "{spoilt:?}");
        }
    }
}
