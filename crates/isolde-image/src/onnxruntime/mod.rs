//! Images whose program runs a network with ONNX Runtime, another inference engine
//! than the one that is part of Isolde: Debian's Python, the wheels of the Python
//! package index, and a small program that follows the application contract.
//!
//! All images have the base in common, which is made once; a network and its inputs
//! are a layer upon it.

mod base;
mod npy;
mod upon;

pub use base::{base, find_base};
pub use npy::Inputs;
pub use upon::{Work, image};

/// Version of ONNX Runtime in the images.
pub const VERSION: &str = "1.32.0";

/// Most values of an output that the program tells, at even distances.
pub const MOST_VALUES: usize = 256;
