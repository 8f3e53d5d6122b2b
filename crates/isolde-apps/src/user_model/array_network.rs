//! A user's network that takes arrays, as an application.

use isolde_model::{ArrayInput, ArrayInputs};
use rten::{NodeId, Value};

use super::arrays::tensors;
use super::network::Unknown;
use crate::engine::Network;
use crate::{AppError, Application};

/// A network with any number of inputs, each of which is an array of a file.
pub(super) struct ArrayNetwork {
    network: Network,
    wanted: ArrayInputs,
    /// The graph's inputs, in the order of what is wanted.
    inputs: Vec<NodeId>,
    /// Name and content of each file.
    files: Vec<(String, Vec<u8>)>,
    meaning: Unknown,
    prepared: Option<Vec<Value>>,
    outputs: Vec<Value>,
    /// All outputs in the graph's order.
    flat: Vec<f32>,
}

impl ArrayNetwork {
    pub(super) fn new(
        network: Network,
        wanted: ArrayInputs,
        files: Vec<(String, Vec<u8>)>,
    ) -> Result<Self, AppError> {
        let named = |input: &ArrayInput| network.input_named(&input.name);
        let inputs = wanted.arrays.iter().map(named).collect::<Result<_, _>>()?;
        Ok(Self {
            network,
            wanted,
            inputs,
            files,
            meaning: Unknown::default(),
            prepared: None,
            outputs: Vec::new(),
            flat: Vec::new(),
        })
    }
}

impl Application for ArrayNetwork {
    fn prepare(&mut self, input: u32, _task: usize) -> Result<(), AppError> {
        let inputs = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let (name, content) =
            self.files.get(input as usize).ok_or(AppError::NoSuchInput { input, inputs })?;
        let read = |source| AppError::Arrays { name: name.clone(), source: Box::new(source) };
        self.prepared = Some(tensors(content, &self.wanted).map_err(read)?);
        Ok(())
    }

    fn infer(&mut self, _task: usize) -> Result<(), AppError> {
        let prepared = self.prepared.as_ref().ok_or(AppError::OutOfOrder { phase: "inference" })?;
        let views = prepared.iter().map(|value| value.as_view().into());
        self.outputs = self.network.run(self.inputs.iter().copied().zip(views).collect())?;
        Ok(())
    }

    fn interpret(&mut self, _task: usize) -> Result<u32, AppError> {
        if self.outputs.is_empty() {
            return Err(AppError::OutOfOrder { phase: "interpretation" });
        }
        self.network.flatten(&self.outputs, &mut self.flat)?;
        let label = self.meaning.label(&self.outputs, &self.flat);
        if self.flat.is_empty() {
            // A bundle keeps no empty tensors.
            self.flat.push(0.0);
        }
        Ok(label)
    }

    fn output(&self) -> &[f32] {
        &self.flat
    }

    fn answer(&self) -> String {
        self.meaning.words()
    }
}
