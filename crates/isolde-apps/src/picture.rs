//! Decoding of pictures.

use std::io::Cursor;

use crate::AppError;

/// An 8-bit RGB picture.
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Rows from the top, three bytes a pixel.
    pub(crate) rgb: Vec<u8>,
}

/// Largest picture that is decoded, in bytes.
const LARGEST: usize = 64 << 20;

pub(crate) fn decode_png(name: &str, bytes: &[u8]) -> Result<Picture, AppError> {
    let failed = |source| AppError::Picture { name: name.to_owned(), source };
    let limits = png::Limits { bytes: LARGEST };
    let decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    let mut reader = decoder.read_info().map_err(|error| failed(error.into()))?;
    let size = reader
        .output_buffer_size()
        .filter(|size| *size <= LARGEST)
        .ok_or_else(|| failed("it is too large".into()))?;
    let mut rgb = vec![0; size];
    let frame = reader.next_frame(&mut rgb).map_err(|error| failed(error.into()))?;
    if (frame.color_type, frame.bit_depth) != (png::ColorType::Rgb, png::BitDepth::Eight) {
        return Err(failed("it is not 8-bit RGB".into()));
    }
    rgb.truncate(frame.buffer_size());
    Ok(Picture { width: frame.width, height: frame.height, rgb })
}
