//! From a picture to the network's input.

use isolde_model::{Colour, Element, Layout, PictureInput, PictureSize, Resize};
use rten::Value;

use super::decode::{PictureError, decode};
use super::resize::Pixels;

/// What surrounds a picture of another shape, as in the letterbox of
/// Ultralytics' detectors.
const PADDING: u8 = 114;

/// A picture as a network takes it.
pub(crate) struct Prepared {
    /// The network's input, with a batch of 1.
    pub(crate) tensor: Value,
    /// Size of the picture before it was resized.
    pub(crate) picture: PictureSize,
}

/// Decodes, resizes and normalises one picture.
pub(crate) fn prepare(bytes: &[u8], input: &PictureInput) -> Result<Prepared, PictureError> {
    Ok(prepare_pixels(&decode(bytes, input.colour)?, input))
}

/// Resizes and normalises a picture that is decoded to the input's colour.
pub(crate) fn prepare_pixels(picture: &Pixels, input: &PictureInput) -> Prepared {
    let fitted = fit(picture, input.size, input.resize);
    Prepared { tensor: tensor(&fitted, input), picture: picture.size() }
}

/// Width and height that a picture is resized to before it is cut or padded to
/// `size`.
pub(crate) fn resized_to(old: PictureSize, size: PictureSize, resize: Resize) -> (usize, usize) {
    let (old_width, old_height) = (old.width as usize, old.height as usize);
    let (width, height) = (size.width as usize, size.height as usize);
    // As wide as asked for and as high as the shape then demands, or the reverse.
    let side = |old: usize, new: usize, other: usize| ((2 * other * new + old) / (2 * old)).max(1);
    let by_width = (width, side(old_width, width, old_height));
    let by_height = (side(old_height, height, old_width), height);
    let is_wider = old_width * height >= width * old_height;
    match (resize, is_wider) {
        (Resize::Stretch, _) => (width, height),
        (Resize::Letterbox, true) | (Resize::Crop, false) => by_width,
        (Resize::Letterbox, false) | (Resize::Crop, true) => by_height,
    }
}

/// Makes the picture fit `size`.
fn fit(picture: &Pixels, size: PictureSize, resize: Resize) -> Pixels {
    let (width, height) = (size.width as usize, size.height as usize);
    let (new_width, new_height) = resized_to(picture.size(), size, resize);
    let resized = picture.resized(new_width, new_height);
    match (new_width, new_height) == (width, height) {
        true => resized,
        false => centred(&resized, width, height),
    }
}

/// Puts the picture into the middle of another size: what is too much is cut
/// off, what is missing is padded. An odd pixel goes to the right and below.
fn centred(picture: &Pixels, width: usize, height: usize) -> Pixels {
    let channels = picture.channels;
    let mut bytes = vec![PADDING; width * height * channels];
    let spare = |old: usize, new: usize| (new.saturating_sub(old) / 2, old.saturating_sub(new) / 2);
    let (left, skipped_left) = spare(picture.width, width);
    let (top, skipped_top) = spare(picture.height, height);
    let length = picture.width.min(width) * channels;
    for row in 0..picture.height.min(height) {
        let from = ((row + skipped_top) * picture.width + skipped_left) * channels;
        let to = ((row + top) * width + left) * channels;
        bytes[to..to + length].copy_from_slice(&picture.bytes[from..from + length]);
    }
    Pixels { width, height, channels, bytes }
}

fn tensor(picture: &Pixels, input: &PictureInput) -> Value {
    let Pixels { width, height, channels, .. } = *picture;
    let shape = match input.layout {
        Layout::Nchw => [1, channels, height, width],
        Layout::Nhwc => [1, height, width, channels],
    };
    match input.element {
        Element::Uint8 => {
            let bytes = arranged(picture, input.layout, |_, pixel| pixel);
            rten_tensor::Tensor::from_data(&shape, bytes).into()
        }
        Element::Float32 | Element::Float16 => {
            let tables = tables(input);
            let values = arranged(picture, input.layout, |channel, pixel| {
                tables[channel][usize::from(pixel)]
            });
            rten_tensor::Tensor::from_data(&shape, values).into()
        }
    }
}

/// The value of every pixel in every channel of the tensor.
fn tables(input: &PictureInput) -> Vec<[f32; 256]> {
    let of_channel = match input.colour {
        Colour::Bgr => [2, 1, 0],
        Colour::Rgb | Colour::Grey => [0, 1, 2],
    };
    let table = |&channel: &usize| {
        let (mean, deviation) = (input.mean[channel], input.deviation[channel]);
        std::array::from_fn(|pixel| (pixel as f32 * input.scale - mean) / deviation)
    };
    of_channel[..input.colour.channels()].iter().map(table).collect()
}

fn arranged<T>(picture: &Pixels, layout: Layout, value: impl Fn(usize, u8) -> T) -> Vec<T> {
    let channels = picture.channels;
    let pixels = picture.bytes.chunks_exact(channels);
    match layout {
        Layout::Nhwc => pixels
            .flat_map(|pixel| pixel.iter().copied().enumerate())
            .map(|(c, p)| value(c, p))
            .collect(),
        Layout::Nchw => (0..channels)
            .flat_map(|channel| pixels.clone().map(move |pixel| (channel, pixel[channel])))
            .map(|(c, p)| value(c, p))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, bytes: &[u8]) -> Pixels {
        Pixels { width, height, channels: 1, bytes: bytes.to_vec() }
    }

    fn to(width: u32, height: u32) -> PictureSize {
        PictureSize { width, height }
    }

    #[test]
    fn each_way_to_resize_keeps_what_it_promises() {
        let wide = grey(4, 2, &[9; 8]);
        assert_eq!(fit(&wide, to(2, 2), Resize::Stretch).bytes, [9; 4]);
        let boxed = fit(&wide, to(4, 5), Resize::Letterbox);
        let expected = [&[PADDING; 4][..], &[9; 8], &[PADDING; 8]].concat();
        assert_eq!(boxed.bytes, expected);
        let steps = grey(4, 2, &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(fit(&steps, to(2, 2), Resize::Crop).bytes, [2, 3, 6, 7]);
        let narrow = fit(&grey(1, 4, &[1, 2, 3, 4]), to(1, 2), Resize::Crop);
        assert_eq!(narrow.bytes, [2, 3]);
        let thin = fit(&grey(1, 1000, &[7; 1000]), to(3, 3), Resize::Letterbox);
        assert_eq!(thin.bytes, [114, 7, 114, 114, 7, 114, 114, 7, 114]);
    }

    #[test]
    fn means_go_with_their_colours_in_either_order() {
        let picture = Pixels { width: 2, height: 1, channels: 3, bytes: vec![1, 2, 3, 4, 5, 6] };
        let mut input = PictureInput {
            name: "x".into(),
            element: Element::Float32,
            layout: Layout::Nchw,
            size: to(2, 1),
            colour: Colour::Bgr,
            resize: Resize::Stretch,
            scale: 10.0,
            mean: [1.0, 2.0, 3.0],
            deviation: [1.0, 2.0, 4.0],
        };
        let values = |input: &PictureInput| match tensor(&picture, input) {
            Value::FloatTensor(tensor) => tensor.into_data(),
            _ => panic!("not of f32"),
        };
        // Blue is stored first: (10 - 3) / 4.
        assert_eq!(values(&input), [1.75, 9.25, 9.0, 24.0, 29.0, 59.0]);
        input.layout = Layout::Nhwc;
        assert_eq!(values(&input), [1.75, 9.0, 29.0, 9.25, 24.0, 59.0]);
        input.colour = Colour::Rgb;
        assert_eq!(values(&input)[0], 9.0);
    }
}
