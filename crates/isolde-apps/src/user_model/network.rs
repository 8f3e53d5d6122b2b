//! A user's network as an application.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use isolde_model::PictureInput;
use rten::{Model, NodeId, RunOptions, Value};
use rten_tensor::prelude::*;

use super::prepare::prepare;
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
    let name = model.display().to_string();
    let failed = |source| AppError::Load { model: name.clone(), source };
    let network = Model::load_file(model).map_err(|error| failed(error.into()))?;
    let &[input_id] = network.input_ids() else {
        return Err(failed("it has not just one input".into()));
    };
    let pictures = pictures
        .iter()
        .map(|path| {
            let name = path.display().to_string();
            match std::fs::read(path) {
                Ok(bytes) => Ok((name, bytes)),
                Err(error) => Err(AppError::Picture { name, source: error.into() }),
            }
        })
        .collect::<Result<_, _>>()?;
    let threads = threads.clone();
    let input = input.clone();
    Ok(Box::new(UserModel {
        name,
        network,
        input_id,
        input,
        pictures,
        threads,
        prepared: None,
        outputs: Vec::new(),
        flat: Vec::new(),
    }))
}

struct UserModel {
    name: String,
    network: Model,
    input_id: NodeId,
    input: PictureInput,
    /// Path and encoded bytes of each.
    pictures: Vec<(String, Vec<u8>)>,
    threads: Threads,
    prepared: Option<Value>,
    outputs: Vec<Value>,
    /// All outputs in the graph's order.
    flat: Vec<f32>,
}

impl Application for UserModel {
    fn prepare(&mut self, input: u32) -> Result<(), AppError> {
        let inputs = u32::try_from(self.pictures.len()).unwrap_or(u32::MAX);
        let (name, bytes) =
            self.pictures.get(input as usize).ok_or(AppError::NoSuchInput { input, inputs })?;
        let prepared = prepare(bytes, &self.input)
            .map_err(|error| AppError::Picture { name: name.clone(), source: error.into() })?;
        self.prepared = Some(prepared);
        Ok(())
    }

    fn infer(&mut self) -> Result<(), AppError> {
        let prepared = self.prepared.as_ref().ok_or(AppError::OutOfOrder { phase: "inference" })?;
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(self.threads.pool())));
        let inputs = vec![(self.input_id, prepared.as_view().into())];
        self.outputs = self
            .network
            .run(inputs, self.network.output_ids(), Some(options))
            .map_err(|error| AppError::Run { model: self.name.clone(), source: error.into() })?;
        Ok(())
    }

    fn interpret(&mut self) -> Result<u32, AppError> {
        if self.outputs.is_empty() {
            return Err(AppError::OutOfOrder { phase: "interpretation" });
        }
        self.flat.clear();
        for output in &self.outputs {
            flatten(output, &mut self.flat).map_err(|kind| AppError::Run {
                model: self.name.clone(),
                source: format!("an output is {kind}, not a tensor of numbers").into(),
            })?;
        }
        let unfit = self.flat.iter().enumerate().find(|(_, value)| !value.is_finite());
        if let Some((position, &value)) = unfit {
            return Err(AppError::NotFinite { position, value });
        }
        if self.flat.is_empty() {
            // Such as a detector's that found nothing; a bundle keeps no empty tensors.
            self.flat.push(0.0);
        }
        Ok(self.label())
    }

    fn output(&self) -> &[f32] {
        &self.flat
    }
}

impl UserModel {
    /// The place of the largest value where the only output is one row, as of a
    /// classifier; else 0.
    fn label(&self) -> u32 {
        let is_row = match &self.outputs[..] {
            [only] => matches!(only.shape()[..], [_] | [1, _]),
            _ => false,
        };
        let largest = self.flat.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        match largest {
            Some((place, _)) if is_row => u32::try_from(place).unwrap_or(u32::MAX),
            _ => 0,
        }
    }
}

/// Appends a tensor's values; whole numbers become the nearest `f32`.
fn flatten(output: &Value, flat: &mut Vec<f32>) -> Result<(), &'static str> {
    match output {
        Value::FloatTensor(tensor) => flat.extend(tensor.iter()),
        Value::Int32Tensor(tensor) => flat.extend(tensor.iter().map(|&value| value as f32)),
        Value::Int8Tensor(tensor) => flat.extend(tensor.iter().map(|&value| f32::from(value))),
        Value::UInt8Tensor(tensor) => flat.extend(tensor.iter().map(|&value| f32::from(value))),
        _ => return Err("a sequence"),
    }
    Ok(())
}

/// Most values of one output that are kept.
const MOST_OF_ONE: usize = 64 << 10;
/// Most values of the outputs of all inputs that are kept: 16 MiB.
const MOST_OF_ALL: usize = 4 << 20;

/// Most values of one output that are kept of a model with so many inputs.
#[must_use]
pub fn kept_values(pictures: u32) -> usize {
    (MOST_OF_ALL / (pictures.max(1) as usize)).clamp(1, MOST_OF_ONE)
}

/// The values of an output that are kept: all, or as many as are allowed at
/// even distances, the first among them. Digests are over all values in any case.
#[must_use]
pub fn sample(output: &[f32], pictures: u32) -> Vec<f32> {
    let kept = kept_values(pictures);
    if output.len() <= kept {
        return output.to_vec();
    }
    (0..kept).map(|place| output[place * output.len() / kept]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_all_or_evenly_spread() {
        assert_eq!(sample(&[1.0, 2.0], 1), [1.0, 2.0]);
        let output: Vec<f32> = (0..3 * MOST_OF_ONE).map(|place| place as f32).collect();
        let spread = sample(&output, 1);
        assert_eq!(spread.len(), MOST_OF_ONE);
        assert_eq!(spread[..3], [0.0, 3.0, 6.0]);
        assert_eq!(sample(&output, 4096).len(), 1024);
        assert_eq!(kept_values(0), MOST_OF_ONE);
        assert_eq!(kept_values(u32::MAX), 1);
    }
}
