//! Pictures: decoding, resizing, and making a network's input of them.

mod decode;
mod prepare;
mod resize;

pub use decode::PictureError;
pub(crate) use decode::{Format, decode};
pub(crate) use prepare::{Prepared, prepare, prepare_pixels, resized_to};
pub(crate) use resize::{Pixels, Region};
