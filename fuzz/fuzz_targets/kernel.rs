//! Kernel images and the packages that they come in.
#![no_main]

use isolde_image::kernel_fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    kernel_fuzzing::kernel(bytes);
    kernel_fuzzing::package(bytes);
});
