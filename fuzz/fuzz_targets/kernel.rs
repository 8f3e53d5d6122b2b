//! Kernel images: headers, unpacking, release.
#![no_main]

use isolde_image::KernelImage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(image) = KernelImage::parse(bytes) {
        let _ = image.release();
        let _ = image.unpacked();
    }
});
