//! A network as a sequence of convolutions and models of rten.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use rten::{Model, ModelOptions, NodeId, RunOptions, Value, ValueOrView};
use rten_onnx::onnx::{Dimension, ModelProto, TensorProto, ValueInfoProto};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensorView, Tensor};

use super::convolution::Convolution;
use super::split::{Step, split};

/// Why a network does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    #[error("the input of a convolution is no picture of numbers of its size")]
    Input,
    #[error("a value is read before it is made: `{0}`")]
    Order(String),
    #[error(transparent)]
    Rten(#[from] rten::RunError),
}

/// A number for each value of the network.
type Place = usize;

enum Work {
    Convolution { convolution: Convolution, input: Place, output: Place },
    Rest { model: Box<Model>, inputs: Vec<(Place, NodeId)>, outputs: Vec<Place> },
}

struct Planned {
    work: Work,
    /// Values that nothing reads afterwards, and whether a convolution made them.
    last_read: Vec<(Place, bool)>,
}

/// What is left of one run for the next: memory that the kernel has already given.
#[derive(Default)]
struct Memory {
    scratch: Vec<f32>,
    free: Vec<Vec<f32>>,
}

/// A network in steps.
pub(super) struct Plan {
    steps: Vec<Planned>,
    names: Vec<String>,
    inputs: Vec<NodeId>,
    outputs: Vec<Place>,
    /// Lengths of the first input's axes, 0 where the graph leaves it open.
    input_shape: Vec<usize>,
    parameters: usize,
    memory: Mutex<Memory>,
}

impl Plan {
    /// Of an ONNX file's bytes; `None` if rten must run it as a whole.
    pub(super) fn new(onnx: &[u8]) -> Option<Self> {
        let model = ModelProto::parse_buf(onnx).ok()?;
        let graph = model.graph.as_ref()?;
        let constants: HashSet<_> = graph.initializer.iter().map(|tensor| &tensor.name).collect();
        let parameters = graph.initializer.iter().map(size).sum();
        let is_input = |input: &&ValueInfoProto| !constants.contains(&input.name);
        let infos: Vec<&ValueInfoProto> = graph.input.iter().filter(is_input).collect();
        let input_shape = shape(infos.first()?);
        let mut places = Places::default();
        let inputs = infos
            .into_iter()
            .map(|info| places.of(info.name.as_deref()?))
            .collect::<Option<Vec<_>>>()?;
        let steps = split(&model)?;
        let outputs: Option<Vec<Place>> =
            graph.output.iter().map(|output| places.of(output.name.as_deref()?)).collect();
        let outputs = outputs?;
        drop(model);
        let options = ModelOptions::with_all_ops();
        let work: Option<Vec<Work>> =
            steps.into_iter().map(|step| places.prepare(step, &options)).collect();
        let steps = with_last_reads(work?, &outputs);
        let inputs = inputs.into_iter().map(node).collect();
        let (names, memory) = (places.names, Mutex::default());
        Some(Self { steps, names, inputs, outputs, input_shape, parameters, memory })
    }

    /// The inputs in the graph's order.
    pub(super) fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// Lengths of the first input's axes, 0 where the graph leaves it open.
    pub(super) fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// Number of its parameters.
    pub(super) const fn parameters(&self) -> usize {
        self.parameters
    }

    /// The value of that name.
    pub(super) fn find(&self, name: &str) -> Option<NodeId> {
        self.names.iter().position(|known| known == name).map(node)
    }

    /// The network's outputs in the graph's order.
    pub(super) fn run(
        &self,
        inputs: Vec<(NodeId, ValueOrView)>,
        options: &RunOptions,
    ) -> Result<Vec<Value>, PlanError> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values: Vec<Option<ValueOrView>> = Vec::new();
        values.resize_with(self.names.len(), || None);
        for (node, input) in inputs {
            values[node.as_usize()] = Some(input);
        }
        for step in &self.steps {
            self.step(&step.work, &mut values, &mut memory, options)?;
            for &(place, is_ours) in &step.last_read {
                match values[place].take() {
                    Some(ValueOrView::Value(Value::FloatTensor(tensor))) if is_ours => {
                        memory.free.push(tensor.into_data());
                    }
                    _ => {}
                }
            }
        }
        let outputs = self.outputs.iter().map(|&place| match values[place].take() {
            Some(value) => Ok(value.into_owned()),
            None => Err(self.unmade(place)),
        });
        outputs.collect()
    }

    fn unmade(&self, place: Place) -> PlanError {
        PlanError::Order(self.names[place].clone())
    }

    fn step<'a>(
        &self,
        work: &Work,
        values: &mut [Option<ValueOrView<'a>>],
        memory: &mut Memory,
        options: &RunOptions,
    ) -> Result<(), PlanError> {
        match work {
            Work::Convolution { convolution, input, output } => {
                let made = values[*input].as_ref().ok_or_else(|| self.unmade(*input))?;
                let made = convolve(convolution, made, memory)?;
                values[*output] = Some(made.into());
            }
            Work::Rest { model, inputs, outputs } => {
                let read = |&(place, node): &(Place, NodeId)| match &values[place] {
                    Some(value) => Ok((node, value.as_view().into())),
                    None => Err(self.unmade(place)),
                };
                let inputs = inputs.iter().map(read).collect::<Result<Vec<_>, _>>()?;
                let made = model.run(inputs, model.output_ids(), Some(options.clone()))?;
                for (place, value) in outputs.iter().zip(made) {
                    values[*place] = Some(value.into());
                }
            }
        }
        Ok(())
    }
}

/// The value that `convolution` makes of `input`.
fn convolve(
    convolution: &Convolution,
    input: &ValueOrView,
    memory: &mut Memory,
) -> Result<Value, PlanError> {
    let input: NdTensorView<f32, 4> = input.as_view().try_into().map_err(|_| PlanError::Input)?;
    let [batch, channels, height, width] = input.shape();
    let (shape, planes) = convolution.plan([channels, height, width]).ok_or(PlanError::Input)?;
    let input = input.to_contiguous();
    let length = shape.iter().product::<usize>();
    let mut output = memory.take(batch * length);
    let items = input.data().chunks_exact(channels * height * width);
    for (input, output) in items.zip(output.chunks_exact_mut(length)) {
        convolution.run(&planes, input, output, &mut memory.scratch);
    }
    let [channels, height, width] = shape;
    Ok(Tensor::from_data(&[batch, channels, height, width], output).into())
}

impl Memory {
    /// So many values of any content, of the smallest piece that has room for them.
    fn take(&mut self, length: usize) -> Vec<f32> {
        let fits = self.free.iter().enumerate().filter(|(_, piece)| piece.capacity() >= length);
        let best = fits.min_by_key(|(_, piece)| piece.capacity()).map(|(number, _)| number);
        let mut piece = best.map_or_else(
            || {
                let mut new = Vec::with_capacity(length);
                new.resize(new.capacity(), 0.0);
                new
            },
            |number| self.free.swap_remove(number),
        );
        // SAFETY: it fits, and all of a piece's capacity was written when it was new.
        unsafe { piece.set_len(length) };
        piece
    }
}

/// Numbers for names.
#[derive(Default)]
struct Places {
    names: Vec<String>,
    known: HashMap<String, Place>,
}

impl Places {
    /// The number of a value, new or not; `None` for more values than can be.
    fn of(&mut self, name: &str) -> Option<Place> {
        if let Some(&known) = self.known.get(name) {
            return Some(known);
        }
        let place = self.names.len();
        i32::try_from(place).ok()?;
        self.names.push(name.to_owned());
        self.known.insert(name.to_owned(), place);
        Some(place)
    }

    fn prepare(&mut self, step: Step, options: &ModelOptions) -> Option<Work> {
        match step {
            Step::Convolution { convolution, input, output } => {
                let (input, output) = (self.of(&input)?, self.of(&output)?);
                Some(Work::Convolution { convolution, input, output })
            }
            Step::Rest { model, inputs, outputs } => {
                let model = Box::new(options.load(model.write_buf().ok()?).ok()?);
                let mut of = |names: &[String]| {
                    names.iter().map(|name| self.of(name)).collect::<Option<Vec<_>>>()
                };
                let (inputs, outputs) = (of(&inputs)?, of(&outputs)?);
                let inputs = inputs.into_iter().zip(model.input_ids().iter().copied()).collect();
                Some(Work::Rest { model, inputs, outputs })
            }
        }
    }
}

/// Number of a tensor's values.
fn size(tensor: &TensorProto) -> usize {
    tensor.dims.iter().map(|&side| usize::try_from(side).unwrap_or(0)).product()
}

fn shape(info: &ValueInfoProto) -> Vec<usize> {
    let tensor = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let axes = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| &shape.dim[..]);
    let length = |axis: &Dimension| axis.dim_value.and_then(|value| usize::try_from(value).ok());
    axes.unwrap_or_default().iter().map(|axis| length(axis).unwrap_or(0)).collect()
}

fn node(place: Place) -> NodeId {
    NodeId::from_u32(place as u32)
}

/// Adds to each step what it is the last to read; `outputs` are read by the caller.
fn with_last_reads(work: Vec<Work>, outputs: &[Place]) -> Vec<Planned> {
    let made_by_convolution: HashSet<Place> = work
        .iter()
        .filter_map(|work| match work {
            Work::Convolution { output, .. } => Some(*output),
            Work::Rest { .. } => None,
        })
        .collect();
    let mut read: HashSet<Place> = outputs.iter().copied().collect();
    let mut planned: Vec<Planned> = work
        .into_iter()
        .rev()
        .map(|work| {
            let inputs: Vec<Place> = match &work {
                Work::Convolution { input, .. } => vec![*input],
                Work::Rest { inputs, .. } => inputs.iter().map(|(place, _)| *place).collect(),
            };
            let last_read = inputs.into_iter().filter(|place| read.insert(*place));
            let last_read =
                last_read.map(|place| (place, made_by_convolution.contains(&place))).collect();
            Planned { work, last_read }
        })
        .collect();
    planned.reverse();
    planned
}
