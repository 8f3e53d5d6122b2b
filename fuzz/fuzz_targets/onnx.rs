//! Models of strangers: what an ONNX file says of itself and of its input.
#![no_main]

use isolde_apps::user_model::{Hints, meaning, outline};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(outline) = outline(bytes) {
        let _ = meaning(&outline, Hints::default());
    }
});
