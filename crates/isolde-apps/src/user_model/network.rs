//! A user's network as an application.

use std::path::{Path, PathBuf};

use isolde_model::{PictureInput, PictureSize};
use rten::Value;
use rten_tensor::prelude::*;

use crate::classifier::largest;
use crate::engine::Network;
use crate::perception::{Interpreter, Perception};
use crate::picture::prepare;
use crate::vision::Vision;
use crate::{AppError, Application, Threads};

/// Where the ONNX file lies in a sandbox, relative to its root folder. Files
/// with weights lie beside it, by the names that the model has for them.
pub const MODEL_IN_SANDBOX: &str = "model/net.onnx";

/// Where input number `input` lies in a sandbox, relative to its root folder.
#[must_use]
pub fn input_in_sandbox(input: u32) -> PathBuf {
    PathBuf::from(format!("model/inputs/{input:06}"))
}

/// Loads the model at `model` with its inputs, which are kept in memory as they
/// are encoded.
///
/// # Errors
/// What cannot be read or what the engine does not take.
pub fn load(
    model: &Path,
    pictures: &[PathBuf],
    input: &PictureInput,
    threads: &Threads,
) -> Result<Box<dyn Application>, AppError> {
    let network = Network::file(model, threads)?;
    let pictures = pictures
        .iter()
        .map(|path| {
            let name = path.display().to_string();
            match std::fs::read(path) {
                Ok(bytes) => Ok((name, bytes)),
                Err(error) => Err(AppError::Picture { name, source: error.into() }),
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let input = input.clone();
    let prepare = Box::new(move |bytes: &[u8]| prepare(bytes, &input).map_err(Into::into));
    let perception = Perception::new(network, Unknown::default())?;
    Ok(Box::new(Vision::new(perception, pictures, prepare)))
}

/// Nobody knows what a user's network means, except that a single row of numbers
/// is a classifier's.
#[derive(Default)]
struct Unknown {
    label: Option<u32>,
}

impl Interpreter for Unknown {
    fn interpret(&mut self, _picture: PictureSize, outputs: &[Value], flat: &[f32]) -> u32 {
        let is_row = match outputs {
            [only] => matches!(only.shape()[..], [_] | [1, _]),
            _ => false,
        };
        self.label = is_row.then(|| largest(flat));
        self.label.unwrap_or_default()
    }

    fn answer(&self) -> String {
        self.label
            .map_or_else(|| "outputs of unknown meaning".into(), |label| format!("class {label}"))
    }
}
