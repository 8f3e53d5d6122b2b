//! Files of arrays of strangers: an archive, and arrays as NumPy saves them.
#![no_main]

use isolde_apps::user_model::check_arrays;
use isolde_model::{ArrayElement, ArrayInput, ArrayInputs};
use libfuzzer_sys::fuzz_target;

/// As in the fixtures that a corpus begins with.
const INPUTS: [(&str, ArrayElement, &[u64]); 8] = [
    ("tokens", ArrayElement::Int64, &[1, 0]),
    ("mask", ArrayElement::Bool, &[1, 0]),
    ("table", ArrayElement::Float32, &[8, 4]),
    ("levels", ArrayElement::Uint8, &[4]),
    ("offsets", ArrayElement::Int8, &[4]),
    ("steps", ArrayElement::Int32, &[4]),
    ("halves", ArrayElement::Float16, &[4]),
    ("scale", ArrayElement::Float64, &[]),
];

fuzz_target!(|bytes: &[u8]| {
    let array = |&(name, element, shape): &(&str, ArrayElement, &[u64])| {
        let shape = Some(shape.to_vec());
        ArrayInput { name: name.to_owned(), element, shape }
    };
    let _ = check_arrays(bytes, &ArrayInputs { arrays: INPUTS.iter().map(array).collect() });
});
