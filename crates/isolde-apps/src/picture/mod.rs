//! Pictures: decoding, resizing, and making a network's input of them.

mod decode;
mod prepare;
mod resize;

pub use decode::PictureError;
pub(crate) use decode::{Format, decode};
pub(crate) use prepare::prepare;
pub(crate) use resize::Pixels;
