//! A user's network as an application.

use std::path::{Path, PathBuf};
use std::{fs, io};

use isolde_model::{ModelInput, PictureSize};
use rten::Value;
use rten_tensor::prelude::*;

use super::array_network::ArrayNetwork;
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

/// Loads the model at `model` with its inputs, pictures or files of arrays, which
/// are kept in memory as they are encoded.
///
/// # Errors
/// What cannot be read or what the engine does not take.
pub fn load(
    model: &Path,
    inputs: &[PathBuf],
    input: &ModelInput,
    threads: &Threads,
) -> Result<Box<dyn Application>, AppError> {
    let network = Network::file(model, threads)?;
    match input {
        ModelInput::Picture(input) => {
            let failed =
                |name, source: io::Error| AppError::Picture { name, source: source.into() };
            let pictures = read(inputs, failed)?;
            let input = input.clone();
            let prepare = Box::new(move |bytes: &[u8]| prepare(bytes, &input).map_err(Into::into));
            let perception = Perception::new(network, Unknown::default())?;
            Ok(Box::new(Vision::new(perception, pictures, prepare)))
        }
        ModelInput::Arrays(wanted) => {
            let failed = |name, source: io::Error| AppError::Arrays { name, source: source.into() };
            let files = read(inputs, failed)?;
            Ok(Box::new(ArrayNetwork::new(network, wanted.clone(), files)?))
        }
    }
}

/// Name and content of each file.
fn read(
    files: &[PathBuf],
    failed: impl Fn(String, io::Error) -> AppError,
) -> Result<Vec<(String, Vec<u8>)>, AppError> {
    let one = |path: &PathBuf| {
        let name = path.display().to_string();
        match fs::read(path) {
            Ok(content) => Ok((name, content)),
            Err(error) => Err(failed(name, error)),
        }
    };
    files.iter().map(one).collect()
}

/// Nobody knows what a user's network means, except that a single row of numbers
/// is a classifier's.
#[derive(Default)]
pub(super) struct Unknown {
    label: Option<u32>,
}

impl Unknown {
    /// The number that stands for the outputs, flat as well: the place of the largest
    /// value of a row, else 0.
    pub(super) fn label(&mut self, outputs: &[Value], flat: &[f32]) -> u32 {
        let is_row = match outputs {
            [only] => matches!(only.shape()[..], [_] | [1, _]),
            _ => false,
        };
        self.label = is_row.then(|| largest(flat));
        self.label.unwrap_or_default()
    }

    /// The last outputs in words.
    pub(super) fn words(&self) -> String {
        self.label
            .map_or_else(|| "outputs of unknown meaning".into(), |label| format!("class {label}"))
    }
}

impl Interpreter for Unknown {
    fn interpret(&mut self, _picture: PictureSize, outputs: &[Value], flat: &[f32]) -> u32 {
        self.label(outputs, flat)
    }

    fn answer(&self) -> String {
        self.words()
    }
}
