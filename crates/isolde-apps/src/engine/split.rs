//! Takes a network apart: convolutions of its own, and the rest for rten.

use std::collections::{HashMap, HashSet};

use rten_onnx::onnx::{
    DataLocation, DataType, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
};

use super::convolution::Convolution;
use super::kernel::Activation;
use super::planes::Window;

/// One step of a network; values are called by their names.
pub(super) enum Step {
    /// A convolution and what follows it.
    Convolution { convolution: Convolution, input: String, output: String },
    /// A model for rten, with its inputs and outputs in the graph's order.
    Rest { model: ModelProto, inputs: Vec<String>, outputs: Vec<String> },
}

/// Steps that compute what `model` does, in order; `None` if there is no convolution
/// to be taken out or something in the graph is not as ONNX says.
pub(super) fn split(model: &ModelProto) -> Option<Vec<Step>> {
    let graph = model.graph.as_ref()?;
    // A graph within a graph reads values by name.
    if graph.node.iter().any(|node| node.attribute.iter().any(|attribute| attribute.g.is_some())) {
        return None;
    }
    let mut splitter = Splitter::new(model, graph);
    for node in &graph.node {
        splitter.take(node)?;
    }
    splitter.flush();
    let taken = splitter.steps.iter().any(|step| matches!(step, Step::Convolution { .. }));
    taken.then_some(splitter.steps)
}

struct Splitter<'a> {
    model: &'a ModelProto,
    graph: &'a GraphProto,
    constants: HashMap<&'a str, &'a TensorProto>,
    /// The nodes that read a value.
    readers: HashMap<&'a str, Vec<&'a NodeProto>>,
    outputs: HashSet<&'a str>,
    /// Outputs of nodes that a convolution does with.
    done: HashSet<&'a str>,
    /// Nodes for rten since its last step.
    pending: Vec<&'a NodeProto>,
    steps: Vec<Step>,
}

impl<'a> Splitter<'a> {
    fn new(model: &'a ModelProto, graph: &'a GraphProto) -> Self {
        let constants =
            graph.initializer.iter().filter_map(|tensor| Some((tensor.name.as_deref()?, tensor)));
        let mut readers: HashMap<&str, Vec<&NodeProto>> = HashMap::new();
        for node in &graph.node {
            for input in &node.input {
                readers.entry(input).or_default().push(node);
            }
        }
        Self {
            model,
            graph,
            constants: constants.collect(),
            readers,
            outputs: graph.output.iter().filter_map(|value| value.name.as_deref()).collect(),
            done: HashSet::new(),
            pending: Vec::new(),
            steps: Vec::new(),
        }
    }

    fn take(&mut self, node: &'a NodeProto) -> Option<()> {
        if node.output.first().is_some_and(|output| self.done.contains(output.as_str())) {
            return Some(());
        }
        let Some((mut convolution, input)) = self.convolution(node) else {
            self.pending.push(node);
            return Some(());
        };
        if self.pending.iter().any(|pending| pending.output.iter().any(|output| output == input)) {
            self.flush();
        }
        let mut output = node.output.first()?.as_str();
        if let Some((activation, last, nodes)) = self.activation(output) {
            convolution.activation = activation;
            output = last;
            self.done.extend(nodes);
        }
        let (input, output) = (input.to_owned(), output.to_owned());
        self.steps.push(Step::Convolution { convolution, input, output });
        Some(())
    }

    /// The convolution that `node` is, and its input.
    fn convolution(&self, node: &'a NodeProto) -> Option<(Convolution, &'a str)> {
        let is_plain = node.op_type.as_deref() == Some("Conv") && is_standard(node);
        let [input, weights, bias @ ..] = &node.input[..] else { return None };
        if !is_plain || self.constants.contains_key(input.as_str()) {
            return None;
        }
        let weights = self.constants.get(weights.as_str())?;
        let shape: Vec<usize> = weights.dims.iter().map(|&side| side as usize).collect();
        let &[outputs, depth, height, width] = &shape[..] else { return None };
        let groups = integers(node, "group", &[1])?[0];
        let depthwise = groups == outputs && depth == 1;
        if (groups != 1 && !depthwise) || shape.contains(&0) {
            return None;
        }
        let values = floats(weights, shape.iter().product())?;
        let bias = match bias {
            [] => None,
            [name] if name.is_empty() => None,
            [name] => Some(floats(self.constants.get(name.as_str())?, outputs)?),
            _ => return None,
        };
        let window = window(node, [height, width])?;
        let bias = |channel: usize| bias.as_ref().map_or(0.0, |bias| bias[channel]);
        let convolution =
            Convolution::new(window, depthwise, |place| values[place], [outputs, depth], bias);
        Some((convolution, input))
    }

    /// What alone reads the value `of` if a convolution can do it, the value it makes,
    /// and the outputs of its nodes.
    fn activation(&self, of: &'a str) -> Option<(Activation, &'a str, Vec<&'a str>)> {
        let readers = self.readers.get(of).filter(|_| !self.outputs.contains(of))?;
        if readers.iter().any(|node| !is_standard(node) || node.output.len() != 1) {
            return None;
        }
        let operators: Vec<_> = readers.iter().map(|node| node.op_type.as_deref()).collect();
        match (&operators[..], &readers[..]) {
            ([Some("Relu")], [node]) => {
                let output = node.output[0].as_str();
                Some((Activation::Clamp(0.0, f32::INFINITY), output, vec![output]))
            }
            ([Some("Clip")], [node]) => {
                let bound = |place: usize, none: f32| match node.input.get(place) {
                    Some(name) if !name.is_empty() => {
                        Some(floats(self.constants.get(name.as_str())?, 1)?[0])
                    }
                    _ => Some(none),
                };
                let clamp =
                    Activation::Clamp(bound(1, f32::NEG_INFINITY)?, bound(2, f32::INFINITY)?);
                let output = node.output[0].as_str();
                (node.input[0] == of && node.attribute.is_empty())
                    .then(|| (clamp, output, vec![output]))
            }
            ([Some("Sigmoid"), Some("Mul")], [sigmoid, mul])
            | ([Some("Mul"), Some("Sigmoid")], [mul, sigmoid]) => {
                let (gate, output) = (sigmoid.output[0].as_str(), mul.output[0].as_str());
                let alone = self.readers.get(gate).is_some_and(|readers| readers.len() == 1);
                (alone
                    && !self.outputs.contains(gate)
                    && mul.input.iter().any(|input| input == gate))
                .then(|| (Activation::Silu, output, vec![gate, output]))
            }
            _ => None,
        }
    }

    /// Makes a step of what is pending.
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let nodes = std::mem::take(&mut self.pending);
        let made: HashSet<&str> = names(nodes.iter().flat_map(|node| &node.output)).collect();
        let mut inputs = Vec::new();
        let mut constants = Vec::new();
        let mut seen = HashSet::new();
        for name in names(nodes.iter().flat_map(|node| &node.input)) {
            if made.contains(name) || !seen.insert(name) {
                continue;
            }
            match self.constants.get(name) {
                Some(constant) => constants.push((*constant).clone()),
                None => inputs.push(name.to_owned()),
            }
        }
        let is_read_elsewhere = |name: &str| {
            let readers = self.readers.get(name).into_iter().flatten();
            self.outputs.contains(name)
                || readers
                    .into_iter()
                    .any(|reader| !nodes.iter().any(|node| std::ptr::eq(*node, *reader)))
        };
        let outputs: Vec<String> = names(nodes.iter().flat_map(|node| &node.output))
            .filter(|name| is_read_elsewhere(name))
            .map(str::to_owned)
            .collect();
        let value =
            |name: &String| ValueInfoProto { name: Some(name.clone()), ..Default::default() };
        let known = |name: &String| {
            let infos =
                self.graph.input.iter().chain(&self.graph.output).chain(&self.graph.value_info);
            infos
                .clone()
                .find(|info| info.name.as_ref() == Some(name))
                .cloned()
                .unwrap_or_else(|| value(name))
        };
        let graph = GraphProto {
            node: nodes.into_iter().cloned().collect(),
            initializer: constants,
            input: inputs.iter().map(known).collect(),
            output: outputs.iter().map(known).collect(),
            ..Default::default()
        };
        let model = ModelProto {
            ir_version: self.model.ir_version,
            graph: Some(graph),
            opset_import: self.model.opset_import.clone(),
            ..Default::default()
        };
        self.steps.push(Step::Rest { model, inputs, outputs });
    }
}

fn names<'a>(all: impl Iterator<Item = &'a String>) -> impl Iterator<Item = &'a str> {
    all.map(String::as_str).filter(|name| !name.is_empty())
}

fn is_standard(node: &NodeProto) -> bool {
    node.domain.as_deref().is_none_or(|domain| domain.is_empty() || domain == "ai.onnx")
}

/// Positive numbers of an attribute, or what stands for it where it is absent.
fn integers(node: &NodeProto, name: &str, absent: &[usize]) -> Option<Vec<usize>> {
    let attribute = node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name));
    let Some(attribute) = attribute else { return Some(absent.to_vec()) };
    let values = attribute.i.iter().filter(|_| attribute.ints.is_empty()).chain(&attribute.ints);
    let values: Option<Vec<usize>> = values.map(|&value| usize::try_from(value).ok()).collect();
    values.filter(|values| values.len() == absent.len())
}

fn window(node: &NodeProto, kernel: [usize; 2]) -> Option<Window> {
    // The most that any network pads, so that no sum of lengths overflows.
    const LIMIT: usize = 1 << 16;
    let pair = |values: Vec<usize>| [values[0], values[1]];
    let padded =
        node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some("auto_pad"));
    if padded.and_then(|attribute| attribute.s.as_deref()).is_some_and(|mode| mode != "NOTSET") {
        return None;
    }
    let stride = pair(integers(node, "strides", &[1, 1])?);
    let dilation = pair(integers(node, "dilations", &[1, 1])?);
    let pads = integers(node, "pads", &[0; 4])?;
    let numbers = kernel.iter().chain(&stride).chain(&dilation);
    let is_sane = numbers.clone().all(|&number| (1..LIMIT).contains(&number))
        && pads.iter().all(|&number| number < LIMIT)
        && pair(integers(node, "kernel_shape", &kernel)?) == kernel;
    is_sane.then(|| Window {
        kernel,
        stride,
        dilation,
        before: [pads[0], pads[1]],
        behind: [pads[2], pads[3]],
    })
}

/// The values of a constant that holds `count` of them in the file itself.
fn floats(tensor: &TensorProto, count: usize) -> Option<Vec<f32>> {
    let is_inside = tensor.data_location.is_none_or(|place| place == DataLocation::DEFAULT);
    if tensor.data_type != Some(DataType::FLOAT) || !is_inside {
        return None;
    }
    let values = match &tensor.raw_data {
        Some(raw) => {
            let raw = raw.borrow();
            raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        None => tensor.float_data.clone(),
    };
    (values.len() == count).then_some(values)
}
