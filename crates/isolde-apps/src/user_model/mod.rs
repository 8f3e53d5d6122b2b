//! A network that the user brings: an ONNX file with one input for a picture,
//! and a folder of pictures.
//!
//! On the host the file is read with suspicion ([`outline`], [`read_model`]),
//! and it is found out how a picture becomes its input ([`meaning`]). In the
//! sandbox it is an [`Application`](crate::Application) like any other ([`load`]).

mod folder;
mod meaning;
mod metadata;
mod model_file;
mod network;
mod outline;
mod walk;
mod wire;

pub use crate::picture::PictureError;
pub use folder::{FolderError, Pictures, pictures};
pub use meaning::{MeaningError, meaning};
pub use metadata::{HintError, Hints, Normalisation, number, per_channel};
pub use model_file::{ModelFile, ModelFileError, WeightsFile, read_model};
pub use network::{MODEL_IN_SANDBOX, input_in_sandbox, load};
pub use outline::{Axis, Outline, OutlineError, TensorInfo};
pub use walk::outline;
pub use wire::WireError;
