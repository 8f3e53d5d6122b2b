//! Building a network layer by layer. Sizes are followed, so that every layer
//! knows how many weights it has and how much work it is.

use super::layer::{Convolution, Pool};
use super::onnx::{Attribute, Network, Node, Port, Tensor};
use super::weights::{LINEAR, RECTIFIED, Values};

/// A value between layers with two spatial axes; [1, channels, height, width].
#[derive(Debug, Clone)]
pub(super) struct Map {
    name: String,
    pub(super) channels: usize,
    height: usize,
    width: usize,
}

/// A value between layers of shape [1, length].
#[derive(Debug, Clone)]
pub(super) struct Vector {
    name: String,
    length: usize,
}

/// A network that grows.
#[derive(Debug)]
pub(super) struct Graph {
    network: Network,
    multiply_adds: u64,
    parameters: u64,
}

impl Graph {
    /// A network whose `input` has `[channels, height, width]`, and that input.
    pub(super) fn new(name: &'static str, [channels, height, width]: [usize; 3]) -> (Self, Map) {
        let input = Map { name: "input".to_owned(), channels, height, width };
        let mut network = Network { name, ..Network::default() };
        network.inputs.push(Port { name: input.name.clone(), shape: input.shape() });
        (Self { network, multiply_adds: 0, parameters: 0 }, input)
    }

    /// What Isolde's metadata says of the input.
    pub(super) fn input_meaning(
        &mut self,
        colour: &'static str,
        normalise: &'static str,
        resize: &'static str,
    ) {
        self.network.metadata = vec![
            ("isolde.colour", colour),
            ("isolde.normalise", normalise),
            ("isolde.resize", resize),
        ];
    }

    pub(super) const fn network(&self) -> &Network {
        &self.network
    }

    /// Multiplications and additions, counted as one, of convolutions and dense layers.
    pub(super) const fn multiply_adds(&self) -> u64 {
        self.multiply_adds
    }

    /// Weights and biases; constants of operators are none.
    pub(super) const fn parameters(&self) -> u64 {
        self.parameters
    }

    pub(super) fn conv(&mut self, name: &str, input: &Map, layer: Convolution) -> Map {
        let Convolution { filters, kernel: [high, wide], stride, padding, dilation, .. } = layer;
        let [top, left] = padding;
        let inputs = input.channels / layer.groups * high * wide;
        let weights = Values::weights(filters * inputs, inputs, layer.gain);
        let bias = layer.bias.unwrap_or_else(|| usual_bias(filters, inputs));
        let shape = vec![filters, input.channels / layer.groups, high, wide];
        let weights = self.tensor(format!("{name}.weight"), shape, weights);
        let bias = self.tensor(format!("{name}.bias"), vec![filters], bias);
        let window = |side| dilation * (side - 1) + 1;
        let output = Map {
            name: name.to_owned(),
            channels: filters,
            height: (input.height + 2 * top - window(high)) / stride + 1,
            width: (input.width + 2 * left - window(wide)) / stride + 1,
        };
        self.multiply_adds += (output.height * output.width * filters * inputs) as u64;
        self.node(
            "Conv",
            vec![input.name.clone(), weights, bias],
            name,
            vec![
                ("dilations", Attribute::Integers(vec![dilation; 2])),
                ("group", Attribute::Integer(layer.groups)),
                ("kernel_shape", Attribute::Integers(vec![high, wide])),
                ("pads", Attribute::Integers(vec![top, left, top, left])),
                ("strides", Attribute::Integers(vec![stride; 2])),
            ],
        );
        output
    }

    pub(super) fn relu(&mut self, input: &Map) -> Map {
        self.pointwise("Relu", "relu", vec![input.name.clone()], input)
    }

    /// Rectified, and at most 6.
    pub(super) fn relu6(&mut self, input: &Map) -> Map {
        let zero = self.constant("zero", vec![], vec![0.0]);
        let six = self.constant("six", vec![], vec![6.0]);
        self.pointwise("Clip", "relu6", vec![input.name.clone(), zero, six], input)
    }

    /// `x · σ(x)`.
    pub(super) fn silu(&mut self, input: &Map) -> Map {
        let gate = self.pointwise("Sigmoid", "sigmoid", vec![input.name.clone()], input);
        self.pointwise("Mul", "silu", vec![input.name.clone(), gate.name], input)
    }

    pub(super) fn add(&mut self, name: &str, a: &Map, b: &Map) -> Map {
        self.node("Add", vec![a.name.clone(), b.name.clone()], name, vec![]);
        Map { name: name.to_owned(), ..a.clone() }
    }

    pub(super) fn concat(&mut self, name: &str, parts: &[Map]) -> Map {
        let names = parts.iter().map(|part| part.name.clone()).collect();
        self.node("Concat", names, name, vec![("axis", Attribute::Integer(1))]);
        let channels = parts.iter().map(|part| part.channels).sum();
        Map { name: name.to_owned(), channels, ..parts[0].clone() }
    }

    pub(super) fn max_pool(&mut self, name: &str, input: &Map, pool: Pool) -> Map {
        self.pool("MaxPool", name, input, pool, vec![])
    }

    /// Zeros around the input count as values of it.
    pub(super) fn average_pool(&mut self, name: &str, input: &Map, pool: Pool) -> Map {
        let counted = ("count_include_pad", Attribute::Integer(1));
        self.pool("AveragePool", name, input, pool, vec![counted])
    }

    pub(super) fn global_average(&mut self, name: &str, input: &Map) -> Map {
        self.node("GlobalAveragePool", vec![input.name.clone()], name, vec![]);
        Map { name: name.to_owned(), height: 1, width: 1, channels: input.channels }
    }

    /// Every value four times.
    pub(super) fn double(&mut self, name: &str, input: &Map) -> Map {
        // Asymmetric and floor say the same as half_pixel here, without rounding.
        self.resize(
            name,
            input,
            2,
            vec![
                ("coordinate_transformation_mode", Attribute::Text("asymmetric")),
                ("mode", Attribute::Text("nearest")),
                ("nearest_mode", Attribute::Text("floor")),
            ],
        )
    }

    /// `factor` times higher and wider by bilinear interpolation.
    pub(super) fn interpolate(&mut self, name: &str, input: &Map, factor: u8) -> Map {
        self.resize(
            name,
            input,
            factor,
            vec![
                ("coordinate_transformation_mode", Attribute::Text("half_pixel")),
                ("mode", Attribute::Text("linear")),
            ],
        )
    }

    pub(super) fn flatten(&mut self, name: &str, input: &Map) -> Vector {
        let axis = ("axis", Attribute::Integer(1));
        self.node("Flatten", vec![input.name.clone()], name, vec![axis]);
        Vector { name: name.to_owned(), length: input.channels * input.height * input.width }
    }

    /// A dense layer; `rectified` says that a rectifier follows.
    pub(super) fn dense(
        &mut self,
        name: &str,
        input: &Vector,
        length: usize,
        rectified: bool,
    ) -> Vector {
        let inputs = input.length;
        let gain = if rectified { RECTIFIED } else { LINEAR };
        let weights = Values::weights(length * inputs, inputs, gain);
        let weights = self.tensor(format!("{name}.weight"), vec![length, inputs], weights);
        let bias = self.tensor(format!("{name}.bias"), vec![length], usual_bias(length, inputs));
        self.multiply_adds += (length * inputs) as u64;
        self.node(
            "Gemm",
            vec![input.name.clone(), weights, bias],
            name,
            vec![
                ("alpha", Attribute::Float(1.0)),
                ("beta", Attribute::Float(1.0)),
                ("transB", Attribute::Integer(1)),
            ],
        );
        let dense = Vector { name: name.to_owned(), length };
        if !rectified {
            return dense;
        }
        let name = format!("{name}.relu");
        self.node("Relu", vec![dense.name], &name, vec![]);
        Vector { name, length }
    }

    /// Makes `map` an output of the network.
    pub(super) fn map_output(&mut self, map: &Map) {
        self.network.outputs.push(Port { name: map.name.clone(), shape: map.shape() });
    }

    /// Makes `vector` an output of the network.
    pub(super) fn vector_output(&mut self, vector: &Vector) {
        let shape = vec![1, vector.length];
        self.network.outputs.push(Port { name: vector.name.clone(), shape });
    }

    /// An operator that works value by value on `input`, named after it.
    fn pointwise(
        &mut self,
        operator: &'static str,
        suffix: &str,
        inputs: Vec<String>,
        input: &Map,
    ) -> Map {
        let name = format!("{}.{suffix}", input.name);
        self.node(operator, inputs, &name, vec![]);
        Map { name, ..input.clone() }
    }

    fn pool(
        &mut self,
        operator: &'static str,
        name: &str,
        input: &Map,
        Pool { side, stride, padding }: Pool,
        more: Vec<(&'static str, Attribute)>,
    ) -> Map {
        let mut attributes = vec![
            ("kernel_shape", Attribute::Integers(vec![side; 2])),
            ("pads", Attribute::Integers(vec![padding; 4])),
            ("strides", Attribute::Integers(vec![stride; 2])),
        ];
        attributes.extend(more);
        self.node(operator, vec![input.name.clone()], name, attributes);
        let pooled = |length| (length + 2 * padding - side) / stride + 1;
        let (height, width) = (pooled(input.height), pooled(input.width));
        Map { name: name.to_owned(), channels: input.channels, height, width }
    }

    fn resize(
        &mut self,
        name: &str,
        input: &Map,
        factor: u8,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Map {
        let factors = vec![1.0, 1.0, f32::from(factor), f32::from(factor)];
        let scales = self.constant(&format!("times {factor}"), vec![4], factors);
        // The second input is a region, which these modes have none of.
        let inputs = vec![input.name.clone(), String::new(), scales];
        self.node("Resize", inputs, name, attributes);
        let factor = usize::from(factor);
        let (height, width) = (input.height * factor, input.width * factor);
        Map { name: name.to_owned(), channels: input.channels, height, width }
    }

    fn node(
        &mut self,
        operator: &'static str,
        inputs: Vec<String>,
        output: &str,
        attributes: Vec<(&'static str, Attribute)>,
    ) {
        let output = output.to_owned();
        self.network.nodes.push(Node { operator, inputs, output, attributes });
    }

    /// Adds weights or biases and gives their name back.
    fn tensor(&mut self, name: String, shape: Vec<usize>, values: Values) -> String {
        self.parameters += values.count() as u64;
        self.network.tensors.push(Tensor { name: name.clone(), shape, values });
        name
    }

    /// Adds what operators of a kind share and gives its name back.
    fn constant(&mut self, name: &str, shape: Vec<usize>, values: Vec<f32>) -> String {
        let name = name.to_owned();
        if !self.network.tensors.iter().any(|tensor| tensor.name == name) {
            let values = Values::Given(values);
            self.network.tensors.push(Tensor { name: name.clone(), shape, values });
        }
        name
    }
}

impl Map {
    fn shape(&self) -> Vec<usize> {
        vec![1, self.channels, self.height, self.width]
    }
}

/// As `torch.nn.Conv2d` and `Linear` start: uniform up to 1/√inputs
/// (<https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html>).
fn usual_bias(count: usize, inputs: usize) -> Values {
    Values::Drawn { count, bound: 1.0 / (inputs as f32).sqrt() }
}
