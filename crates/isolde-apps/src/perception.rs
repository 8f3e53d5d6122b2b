//! A network and what makes sense of its outputs, one picture at a time.

use isolde_model::PictureSize;
use rten::{NodeId, Value};
use rten_tensor::prelude::*;

use crate::AppError;
use crate::application::NetworkInput;
use crate::engine::Network;
use crate::picture::Prepared;

/// What a network's outputs say.
pub(crate) trait Interpreter: Send {
    /// Makes an answer of the outputs, of which every value is finite, and the number
    /// that stands for it. `picture` is the size of the picture as it was before it
    /// was resized, `flat` all outputs one after the other.
    fn interpret(&mut self, picture: PictureSize, outputs: &[Value], flat: &[f32]) -> u32;

    /// The last answer in words.
    fn answer(&self) -> String;
}

/// A network with an interpreter; the phases are called in the order take, infer,
/// interpret.
pub(crate) struct Perception<I> {
    network: Network,
    input: NodeId,
    interpreter: I,
    /// Shapes that the outputs must have; empty where nobody knows.
    shapes: Vec<Vec<usize>>,
    prepared: Option<Prepared>,
    outputs: Vec<Value>,
    /// All outputs in the graph's order.
    flat: Vec<f32>,
}

impl<I: Interpreter> Perception<I> {
    /// Of a network with one input.
    pub(crate) fn new(network: Network, interpreter: I) -> Result<Self, AppError> {
        let input = network.input()?;
        let (shapes, outputs, flat) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { network, input, interpreter, shapes, prepared: None, outputs, flat })
    }

    /// Refuses outputs that have not these shapes.
    pub(crate) fn with_shapes(self, shapes: Vec<Vec<usize>>) -> Self {
        Self { shapes, ..self }
    }

    /// Takes the next picture.
    pub(crate) fn take(&mut self, prepared: Prepared) {
        self.prepared = Some(prepared);
    }

    /// Runs the network on the picture.
    pub(crate) fn infer(&mut self) -> Result<(), AppError> {
        let prepared = self.prepared.as_ref().ok_or(AppError::OutOfOrder { phase: "inference" })?;
        self.outputs = self.network.run(vec![(self.input, prepared.tensor.as_view().into())])?;
        self.check_shapes()
    }

    fn check_shapes(&self) -> Result<(), AppError> {
        let found = || self.outputs.iter().map(|output| output.shape().to_vec());
        if self.shapes.is_empty() || found().eq(self.shapes.iter().cloned()) {
            return Ok(());
        }
        let found = found().collect();
        Err(self.network.misshapen("outputs", self.shapes.clone(), found))
    }

    /// Makes sense of the outputs; gives the number that stands for the answer.
    pub(crate) fn interpret(&mut self) -> Result<u32, AppError> {
        let picture = match &self.prepared {
            Some(prepared) if !self.outputs.is_empty() => prepared.picture,
            _ => return Err(AppError::OutOfOrder { phase: "interpretation" }),
        };
        self.network.flatten(&self.outputs, &mut self.flat)?;
        let label = self.interpreter.interpret(picture, &self.outputs, &self.flat);
        if self.flat.is_empty() {
            // Such as a detector's that found nothing; a bundle keeps no empty tensors.
            self.flat.push(0.0);
        }
        Ok(label)
    }

    /// What makes sense of the outputs, with its last answer.
    pub(crate) fn interpreter(&self) -> &I {
        &self.interpreter
    }

    #[cfg(test)]
    pub(crate) fn interpreter_mut(&mut self) -> &mut I {
        &mut self.interpreter
    }

    /// The last outputs, flat.
    pub(crate) fn output(&self) -> &[f32] {
        &self.flat
    }

    /// The network's input, where it is one of floating-point numbers.
    pub(crate) fn network_input(&self) -> Option<NetworkInput> {
        match &self.prepared.as_ref()?.tensor {
            Value::FloatTensor(tensor) => {
                Some(NetworkInput { shape: tensor.shape().to_vec(), values: tensor.to_vec() })
            }
            _ => None,
        }
    }
}
