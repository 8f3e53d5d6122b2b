//! Layers of an image: up to three archives, one above the other, as a tree and
//! its places in an ext4 image.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says how many archives there are.
    let Some((count, archives)) = bytes.split_first() else { return };
    let length = archives.len() / (usize::from(count % 3) + 1);
    let layers: Vec<&[u8]> = archives.chunks(length.next_multiple_of(512).max(512)).collect();
    let _ = isolde_image::check_layers(&layers);
});
