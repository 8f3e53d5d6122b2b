//! Applications that run one network on one picture.

use rten::{NodeId, Value};

use crate::engine::Network;
use crate::{AppError, Application};

/// How a picture becomes a network's input.
pub(crate) type Prepare =
    Box<dyn Fn(&[u8]) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> + Send>;

/// What a network's outputs say.
pub(crate) trait Interpreter: Send {
    /// Makes an answer of the outputs, of which every value is finite, and the number
    /// that stands for it.
    fn interpret(&mut self, outputs: &[Value], flat: &[f32]) -> u32;

    /// The last answer in words.
    fn answer(&self) -> String;
}

/// An application that runs one network on one picture.
pub(crate) struct Vision<P, I> {
    network: Network,
    input: NodeId,
    /// Name and encoded bytes of each.
    pictures: Vec<(String, P)>,
    prepare: Prepare,
    interpreter: I,
    prepared: Option<Value>,
    outputs: Vec<Value>,
    /// All outputs in the graph's order.
    flat: Vec<f32>,
}

impl<P: AsRef<[u8]> + Send, I: Interpreter> Vision<P, I> {
    pub(crate) fn new(
        network: Network,
        pictures: Vec<(String, P)>,
        prepare: Prepare,
        interpreter: I,
    ) -> Result<Self, AppError> {
        let input = network.input()?;
        Ok(Self {
            network,
            input,
            pictures,
            prepare,
            interpreter,
            prepared: None,
            outputs: Vec::new(),
            flat: Vec::new(),
        })
    }
}

impl<P: AsRef<[u8]> + Send, I: Interpreter> Application for Vision<P, I> {
    fn prepare(&mut self, input: u32, _task: usize) -> Result<(), AppError> {
        let inputs = u32::try_from(self.pictures.len()).unwrap_or(u32::MAX);
        let (name, bytes) =
            self.pictures.get(input as usize).ok_or(AppError::NoSuchInput { input, inputs })?;
        let prepared = (self.prepare)(bytes.as_ref())
            .map_err(|source| AppError::Picture { name: name.clone(), source })?;
        self.prepared = Some(prepared);
        Ok(())
    }

    fn infer(&mut self, _task: usize) -> Result<(), AppError> {
        let prepared = self.prepared.as_ref().ok_or(AppError::OutOfOrder { phase: "inference" })?;
        self.outputs = self.network.run(vec![(self.input, prepared.as_view().into())])?;
        Ok(())
    }

    fn interpret(&mut self, _task: usize) -> Result<u32, AppError> {
        if self.outputs.is_empty() {
            return Err(AppError::OutOfOrder { phase: "interpretation" });
        }
        self.network.flatten(&self.outputs, &mut self.flat)?;
        let label = self.interpreter.interpret(&self.outputs, &self.flat);
        if self.flat.is_empty() {
            // Such as a detector's that found nothing; a bundle keeps no empty tensors.
            self.flat.push(0.0);
        }
        Ok(label)
    }

    fn output(&self) -> &[f32] {
        &self.flat
    }

    fn answer(&self) -> String {
        self.interpreter.answer()
    }
}

/// The place of the largest value; 0 where there is none.
pub(crate) fn largest(values: &[f32]) -> u32 {
    let largest = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    largest.map_or(0, |(place, _)| u32::try_from(place).unwrap_or(u32::MAX))
}

/// Names the class with the largest output.
pub(crate) struct Classifier {
    /// `classes.csv`: a heading, then number and name in each line; empty where the
    /// classes mean nothing.
    pub(crate) classes: &'static str,
    pub(crate) label: u32,
}

impl Classifier {
    /// With the names in `classes`.
    pub(crate) const fn new(classes: &'static str) -> Self {
        Self { classes, label: 0 }
    }
}

impl Interpreter for Classifier {
    fn interpret(&mut self, _outputs: &[Value], flat: &[f32]) -> u32 {
        self.label = largest(flat);
        self.label
    }

    fn answer(&self) -> String {
        let name = self.classes.lines().skip(1).find_map(|line| {
            let (number, name) = line.split_once(',')?;
            (number.parse() == Ok(self.label)).then(|| name.trim_matches('"').to_owned())
        });
        name.unwrap_or_else(|| format!("class {}", self.label))
    }
}
