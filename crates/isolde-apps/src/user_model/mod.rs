//! A network that the user brings: an ONNX file, and pictures or arrays for its
//! inputs.
//!
//! On the host the file is read with suspicion ([`outline()`], [`read_model`]),
//! and it is found out how a picture becomes its input ([`meaning()`]) or which
//! arrays it takes ([`array_inputs`]). In the sandbox it is an
//! [`Application`](crate::Application) like any other ([`load`]).

mod array_network;
mod arrays;
mod input_files;
mod meaning;
mod metadata;
mod model_file;
mod network;
mod npy;
mod npz;
mod operators;
mod outline;
mod walk;
mod wire;

pub use crate::picture::PictureError;
pub use arrays::{ArraysError, array_inputs, check_arrays};
pub use input_files::{InputFiles, InputFilesError, array_files, pictures};
pub use meaning::{MeaningError, meaning};
pub use metadata::{HintError, Hints, Normalisation, number, per_channel};
pub use model_file::{ModelFile, ModelFileError, WeightsFile, read_model};
pub use network::{MODEL_IN_SANDBOX, input_in_sandbox, load};
pub use npy::NpyError;
pub use npz::NpzError;
pub use operators::unsupported_operators;
pub use outline::{Axis, Outline, OutlineError, TensorInfo};
pub use walk::outline;
pub use wire::WireError;
