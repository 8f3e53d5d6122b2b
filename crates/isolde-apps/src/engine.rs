//! The embedded inference engine: rten, loading ONNX files.

use std::sync::Arc;

use rten::{Model, RunOptions, ThreadPool};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};

use crate::AppError;

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

    pub(crate) const fn pool(&self) -> &Arc<ThreadPool> {
        &self.0
    }
}

/// A loaded network with one input and one output.
pub(crate) struct Network {
    name: &'static str,
    model: Model,
    threads: Threads,
}

impl Network {
    pub(crate) fn load(
        name: &'static str,
        onnx: &'static [u8],
        threads: &Threads,
    ) -> Result<Self, AppError> {
        let model = Model::load_static_slice(onnx)
            .map_err(|source| AppError::Load { model: name.to_owned(), source: source.into() })?;
        Ok(Self { name, model, threads: threads.clone() })
    }

    /// Runs the network; the output is flat, in its own order.
    pub(crate) fn run<const N: usize>(
        &self,
        input: &NdTensor<f32, N>,
    ) -> Result<Vec<f32>, AppError> {
        let failed = |source| AppError::Run { model: self.name.to_owned(), source };
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.threads.0)));
        let output = self
            .model
            .run_one(input.view().into(), Some(options))
            .map_err(|error| failed(error.into()))?;
        let output: Tensor<f32> =
            output.try_into().map_err(|error: rten::TryFromValueError| failed(error.into()))?;
        Ok(output.into_data())
    }
}
