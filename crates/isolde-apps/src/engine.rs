//! The embedded inference engine: rten, loading ONNX files, with convolutions of its
//! own in its place ([`convolution`]).

mod convolution;
mod kernel;
mod loaded;
mod plan;
mod planes;
mod split;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use rten::{NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::prelude::*;

use crate::AppError;
use loaded::Loaded;

/// A fixed number of threads that inference runs on.
#[derive(Clone)]
pub struct Threads(Arc<ThreadPool>);

impl Threads {
    /// So many threads, at least one. The engine's own default counts physical
    /// cores, which containers and virtual machines report differently.
    #[must_use]
    pub fn new(count: u32) -> Self {
        Self(Arc::new(ThreadPool::with_num_threads(count.max(1) as usize)))
    }

    /// Runs `work` on one of the threads. Inference called from there does not
    /// pay for waking another thread first.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.run(work)
    }
}

/// A loaded network.
pub(crate) struct Network {
    /// What it is called in errors.
    name: String,
    model: Loaded,
    threads: Threads,
}

impl Network {
    /// A network that is part of this program.
    pub(crate) fn embedded(
        name: &str,
        onnx: &'static [u8],
        threads: &Threads,
    ) -> Result<Self, AppError> {
        Self::loaded(name.to_owned(), Loaded::bytes(onnx), threads)
    }

    /// A network in a file, with its weights inside or beside it.
    pub(crate) fn file(path: &Path, threads: &Threads) -> Result<Self, AppError> {
        Self::loaded(path.display().to_string(), Loaded::file(path), threads)
    }

    fn loaded(
        name: String,
        model: Result<Loaded, Box<dyn std::error::Error + Send + Sync>>,
        threads: &Threads,
    ) -> Result<Self, AppError> {
        match model {
            Ok(model) => Ok(Self { name, model, threads: threads.clone() }),
            Err(source) => Err(AppError::Load { model: name, source }),
        }
    }

    /// The inputs in the graph's order.
    pub(crate) fn inputs(&self) -> &[NodeId] {
        self.model.inputs()
    }

    /// The only input.
    pub(crate) fn input(&self) -> Result<NodeId, AppError> {
        match self.inputs() {
            &[only] => Ok(only),
            _ => Err(AppError::Load {
                model: self.name.clone(),
                source: "it has not just one input".into(),
            }),
        }
    }

    /// Number of its parameters.
    pub(crate) fn parameters(&self) -> u64 {
        self.model.parameters() as u64
    }

    /// Refuses a network whose only input has another shape.
    pub(crate) fn expect_input(&self, shape: &[usize]) -> Result<(), AppError> {
        self.input()?;
        let found = self.model.input_shape();
        if found == shape {
            return Ok(());
        }
        Err(self.misshapen("input", vec![shape.to_vec()], vec![found]))
    }

    /// The error that the network's `part` has other shapes than it must have.
    pub(crate) fn misshapen(
        &self,
        part: &'static str,
        expected: Vec<Vec<usize>>,
        found: Vec<Vec<usize>>,
    ) -> AppError {
        AppError::Shape { model: self.name.clone(), part, expected, found }
    }

    /// The input of that name.
    pub(crate) fn input_named(&self, name: &str) -> Result<NodeId, AppError> {
        self.model.input_named(name).ok_or_else(|| AppError::Load {
            model: self.name.clone(),
            source: format!("it has no input `{name}`").into(),
        })
    }

    /// Runs the network; all outputs in the graph's order.
    pub(crate) fn run(&self, inputs: Vec<(NodeId, ValueOrView)>) -> Result<Vec<Value>, AppError> {
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.threads.0)));
        self.threads
            .run(|| self.model.run(inputs, options))
            .map_err(|source| AppError::Run { model: self.name.clone(), source })
    }

    /// The outputs' values one after the other; whole numbers become the nearest
    /// `f32`.
    ///
    /// # Errors
    /// That an output is no tensor of numbers, or holds a value that is not finite.
    pub(crate) fn flatten(&self, outputs: &[Value], flat: &mut Vec<f32>) -> Result<(), AppError> {
        flat.clear();
        for output in outputs {
            match output {
                Value::FloatTensor(tensor) => flat.extend(tensor.iter()),
                Value::Int32Tensor(tensor) => {
                    flat.extend(tensor.iter().map(|&value| value as f32));
                }
                Value::Int8Tensor(tensor) => {
                    flat.extend(tensor.iter().map(|&value| f32::from(value)));
                }
                Value::UInt8Tensor(tensor) => {
                    flat.extend(tensor.iter().map(|&value| f32::from(value)));
                }
                _ => {
                    let source = "an output is a sequence, not a tensor of numbers".into();
                    return Err(AppError::Run { model: self.name.clone(), source });
                }
            }
        }
        match flat.iter().position(|value| !value.is_finite()) {
            Some(position) => Err(AppError::NotFinite { position, value: flat[position] }),
            None => Ok(()),
        }
    }
}
