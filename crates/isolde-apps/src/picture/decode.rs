//! Decoding of pictures that a user brings: JPEG and PNG, told by content.
//!
//! Decoders use no instructions that only some CPUs have, so every environment
//! sees the same pixels. They are taken as stored: an orientation in a JPEG's
//! Exif data is not followed, transparency is dropped, and colour profiles are
//! ignored.

use std::io::Cursor;

use isolde_model::Colour;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::resize::Pixels;

/// Formats that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
}

impl Format {
    /// The format by the first bytes of a file.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            _ => None,
        }
    }
}

/// Largest picture that is decoded, in pixels.
pub(crate) const MOST_PIXELS: usize = 64 << 20;
/// Largest width or height.
const LARGEST_SIDE: usize = 1 << 16;

/// Why a picture cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Of another format.
    #[error("it is neither JPEG nor PNG")]
    Format,
    /// Too many pixels.
    #[error("{width}×{height} pixels are more than {MOST_PIXELS}")]
    TooLarge {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// What the JPEG decoder says.
    #[error("it is a damaged JPEG, or of a kind that is not decoded: {0}")]
    Jpeg(String),
    /// What the PNG decoder says.
    #[error("it is a damaged PNG: {0}")]
    Png(#[from] png::DecodingError),
}

/// Decodes a picture to the channels that `colour` names: one byte each,
/// interleaved.
pub(crate) fn decode(bytes: &[u8], colour: Colour) -> Result<Pixels, PictureError> {
    let picture = match Format::of(bytes).ok_or(PictureError::Format)? {
        Format::Jpeg => decode_jpeg(bytes)?,
        Format::Png => decode_png(bytes)?,
    };
    Ok(recolour(picture, colour))
}

fn check_size(width: usize, height: usize) -> Result<(), PictureError> {
    let pixels = width.checked_mul(height);
    match pixels {
        Some(1..=MOST_PIXELS) if width.max(height) <= LARGEST_SIDE => Ok(()),
        _ => Err(PictureError::TooLarge { width, height }),
    }
}

fn decode_jpeg(bytes: &[u8]) -> Result<Pixels, PictureError> {
    let failed = |error: zune_jpeg::errors::DecodeErrors| PictureError::Jpeg(error.to_string());
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(LARGEST_SIDE)
        .set_max_height(LARGEST_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    decoder.decode_headers().map_err(failed)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    check_size(width, height)?;
    let bytes = decoder.decode().map_err(failed)?;
    if bytes.len() != width * height * 3 {
        return Err(PictureError::Jpeg("its pixels are not red, green and blue".into()));
    }
    Ok(Pixels { width, height, channels: 3, bytes })
}

fn decode_png(bytes: &[u8]) -> Result<Pixels, PictureError> {
    let limits = png::Limits { bytes: 8 * MOST_PIXELS };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // Palettes and few bits become 8 bits a channel, and so do 16.
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info()?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(width, height)?;
    let size = reader.output_buffer_size().ok_or(PictureError::TooLarge { width, height })?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes)?;
    bytes.truncate(frame.buffer_size());
    let (stride, channels) = match frame.color_type {
        png::ColorType::Grayscale => (1, 1),
        png::ColorType::GrayscaleAlpha => (2, 1),
        png::ColorType::Rgba => (4, 3),
        png::ColorType::Rgb | png::ColorType::Indexed => (3, 3),
    };
    if stride != channels {
        bytes = bytes.chunks_exact(stride).flat_map(|pixel| &pixel[..channels]).copied().collect();
    }
    Ok(Pixels { width, height, channels, bytes })
}

/// Grey by the luma weights of ITU-R BT.601, in whole numbers as Pillow's
/// `convert("L")` has it.
fn recolour(picture: Pixels, colour: Colour) -> Pixels {
    let Pixels { width, height, channels, mut bytes } = picture;
    match (channels, colour) {
        (3, Colour::Grey) => {
            let luma = |rgb: &[u8]| {
                let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
                ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
            };
            bytes = bytes.chunks_exact(3).map(luma).collect();
        }
        (1, Colour::Rgb | Colour::Bgr) => {
            bytes = bytes.iter().flat_map(|&grey| [grey; 3]).collect();
        }
        (3, Colour::Bgr) => bytes.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2)),
        _ => {}
    }
    Pixels { width, height, channels: colour.channels(), bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::path::{Path, PathBuf};

    fn fixtures() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
    }

    fn picture(name: &str) -> Vec<u8> {
        std::fs::read(fixtures().join("pictures").join(name)).unwrap()
    }

    /// What Pillow and numpy made of the same pictures.
    fn expected() -> Value {
        let text = std::fs::read_to_string(fixtures().join("expected.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn bytes(value: &Value) -> Vec<u8> {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn largest_difference(ours: &[u8], theirs: &[u8]) -> u8 {
        assert_eq!(ours.len(), theirs.len());
        ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }

    #[test]
    fn resized_png_pictures_equal_pillows_to_the_last_bit() {
        let expected = expected();
        let colour = decode(&picture("colour.png"), Colour::Rgb).unwrap();
        for (size, pixels) in expected["resized"].as_object().unwrap() {
            let (width, height) = size.split_once('x').unwrap();
            let resized = colour.resized(width.parse().unwrap(), height.parse().unwrap());
            // Pillow takes columns first where it thinks that faster.
            let allowed = u8::from(size == "100x5");
            let difference = largest_difference(&resized.bytes, &bytes(pixels));
            assert!(difference <= allowed, "{size}: {difference}");
        }
        let grey = decode(&picture("colour.png"), Colour::Grey).unwrap();
        assert_eq!(grey.resized(9, 7).bytes, bytes(&expected["grey"]));
        for name in ["colour.png", "palette.png", "alpha.png", "grey16.png"] {
            let resized = decode(&picture(name), Colour::Rgb).unwrap().resized(8, 6);
            assert_eq!(resized.bytes, bytes(&expected["pixels"][name]), "{name}");
        }
    }

    #[test]
    fn jpegs_of_every_kind_are_close_to_another_decoders() {
        let expected = expected();
        for name in ["colour.jpg", "grey.jpg", "cmyk.jpg", "progressive.jpg"] {
            let ours = decode(&picture(name), Colour::Rgb).unwrap().resized(8, 6).bytes;
            let theirs = bytes(&expected["pixels"][name]);
            let difference = largest_difference(&ours, &theirs);
            assert!(difference <= 4, "{name}: {difference}");
        }
    }

    #[test]
    fn blue_first_is_red_last() {
        let rgb = decode(&picture("colour.png"), Colour::Rgb).unwrap().bytes;
        let bgr = decode(&picture("colour.png"), Colour::Bgr).unwrap().bytes;
        assert_eq!([rgb[0], rgb[1], rgb[2]], [bgr[2], bgr[1], bgr[0]]);
    }

    #[test]
    fn damaged_pictures_are_told_and_never_panic() {
        for name in ["colour.png", "colour.jpg", "progressive.jpg", "grey16.png"] {
            let whole = picture(name);
            assert!(decode(&whole[..whole.len() / 2], Colour::Rgb).is_err(), "{name}");
            for place in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[place] ^= 0x55;
                if let Ok(pixels) = decode(&damaged, Colour::Rgb) {
                    let Pixels { width, height, bytes, .. } = pixels;
                    assert_eq!(bytes.len(), width * height * 3);
                }
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_goes_off() {
        let mut png = picture("colour.png");
        // Width and height of the header, and its checksum (ISO/IEC 15948).
        png[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let refused = decode(&png, Colour::Rgb).unwrap_err().to_string();
        assert!(refused.contains("65535×65535"), "{refused}");
        let mut jpeg = picture("colour.jpg");
        let frame = jpeg.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        let refused = decode(&jpeg, Colour::Rgb).unwrap_err().to_string();
        assert!(refused.contains("65535×65535"), "{refused}");
    }
}
