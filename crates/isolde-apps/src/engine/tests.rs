//! Networks made here, run in steps and by rten as a whole.

use proptest::prelude::*;
use rten::{Model, RunOptions, Value, ValueView};
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use rten_tensor::prelude::*;

use super::Threads;
use super::plan::Plan;

/// A graph that grows node by node; values are numbers between -1 and 1.
struct Graph {
    graph: GraphProto,
    seed: u32,
}

impl Graph {
    fn new(shape: [usize; 4]) -> Self {
        let dim = shape.map(|side| Dimension { dim_value: Some(side as i64), dim_param: None });
        let tensor = TypeProtoTensor {
            elem_type: Some(DataType::FLOAT),
            shape: Some(TensorShapeProto { dim: dim.to_vec() }),
        };
        let kind = TypeProto { tensor_type: Some(tensor), sequence: None };
        let input = ValueInfoProto { name: Some("input".into()), r#type: Some(kind) };
        Self { graph: GraphProto { input: vec![input], ..Default::default() }, seed: 7 }
    }

    fn numbers(&mut self, count: usize) -> Vec<f32> {
        let next = |_| {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(next).collect()
    }

    fn constant(&mut self, name: &str, dims: &[usize], values: Vec<f32>) {
        self.graph.initializer.push(TensorProto {
            name: Some(name.into()),
            data_type: Some(DataType::FLOAT),
            dims: dims.iter().map(|&side| side as i64).collect(),
            float_data: values,
            ..Default::default()
        });
    }

    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, lists: &[(&str, &[i64])]) {
        let attribute = |(name, values): &(&str, &[i64])| AttributeProto {
            name: Some((*name).to_owned()),
            ints: values.to_vec(),
            r#type: Some(AttributeType::INTS),
            ..Default::default()
        };
        self.graph.node.push(NodeProto {
            op_type: Some(operator.into()),
            name: Some(format!("{operator} {output}")),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.into()],
            attribute: lists.iter().map(attribute).collect(),
            ..Default::default()
        });
    }

    /// A node with an attribute that is one number.
    fn with_number(&mut self, name: &str, value: i64) {
        let attribute = AttributeProto {
            name: Some(name.into()),
            i: Some(value),
            r#type: Some(AttributeType::INT),
            ..Default::default()
        };
        self.graph.node.last_mut().unwrap().attribute.push(attribute);
    }

    fn convolution(&mut self, input: &str, output: &str, shape: &Shape) {
        let [channels, outputs, kernel_h, kernel_w] = shape.sides;
        let depth = if shape.depthwise { 1 } else { channels };
        let count = outputs * depth * kernel_h * kernel_w;
        let (weights, bias) = (format!("{output} w"), format!("{output} b"));
        let values = self.numbers(count);
        self.constant(&weights, &[outputs, depth, kernel_h, kernel_w], values);
        let values = self.numbers(outputs);
        self.constant(&bias, &[outputs], values);
        let lists: [(&str, &[i64]); 4] = [
            ("strides", &shape.strides),
            ("dilations", &shape.dilations),
            ("pads", &shape.pads),
            ("kernel_shape", &[kernel_h as i64, kernel_w as i64]),
        ];
        self.node("Conv", &[input, &weights, &bias], output, &lists);
        self.with_number("group", if shape.depthwise { channels as i64 } else { 1 });
    }

    fn finish(mut self, outputs: &[&str]) -> Vec<u8> {
        let info = |name: &&str| ValueInfoProto { name: Some((*name).to_owned()), r#type: None };
        self.graph.output = outputs.iter().map(info).collect();
        let opset = OperatorSetIdProto { domain: None, version: Some(17) };
        let model = ModelProto {
            ir_version: Some(8),
            graph: Some(self.graph),
            opset_import: vec![opset],
            ..Default::default()
        };
        model.write_buf().unwrap()
    }
}

#[derive(Debug, Clone)]
struct Shape {
    /// Input channels, output channels, rows and columns of the kernel.
    sides: [usize; 4],
    strides: [i64; 2],
    dilations: [i64; 2],
    pads: [i64; 4],
    depthwise: bool,
}

fn values(shape: [usize; 4]) -> Vec<f32> {
    Graph::new(shape).numbers(shape.iter().product())
}

fn in_steps(onnx: &[u8], shape: [usize; 4], threads: u32) -> Option<Vec<Value>> {
    let plan = Plan::new(onnx)?;
    let input = values(shape);
    let once = || {
        let view = ValueView::from_shape(shape, &input).unwrap();
        plan.run(vec![(plan.inputs()[0], view.into())], &RunOptions::default()).unwrap()
    };
    let threads = Threads::new(threads);
    let first = threads.run(once);
    assert_eq!(bits(&first), bits(&threads.run(once)), "a run changes the next");
    Some(first)
}

fn by_rten(onnx: &[u8], shape: [usize; 4]) -> Vec<Value> {
    let model = Model::load(onnx.to_vec()).unwrap();
    let input = values(shape);
    let view = ValueView::from_shape(shape, &input).unwrap();
    model.run(vec![(model.input_ids()[0], view.into())], model.output_ids(), None).unwrap()
}

fn bits(outputs: &[Value]) -> Vec<(Vec<usize>, Vec<u32>)> {
    let of = |output: &Value| {
        let tensor = output.as_tensor_view::<f32>().unwrap();
        (output.shape().to_vec(), tensor.iter().map(|value| value.to_bits()).collect())
    };
    outputs.iter().map(of).collect()
}

/// Asserts that both agree and threads change nothing.
fn assert_equal(onnx: &[u8], shape: [usize; 4], tolerance: f32) {
    let ours = in_steps(onnx, shape, 1).expect("it is run in steps");
    assert_eq!(bits(&ours), bits(&in_steps(onnx, shape, 3).unwrap()));
    let theirs = by_rten(onnx, shape);
    assert_eq!(ours.len(), theirs.len());
    for ((shape, ours), (expected, theirs)) in bits(&ours).into_iter().zip(bits(&theirs)) {
        assert_eq!(shape, expected);
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            let (ours, theirs) = (f32::from_bits(ours), f32::from_bits(theirs));
            assert!((ours - theirs).abs() <= tolerance, "{ours} instead of {theirs}");
        }
    }
}

fn shapes() -> impl Strategy<Value = (Shape, [usize; 2])> {
    let pair = |most: i64| prop::array::uniform2(1..=most);
    let sides = (1..20usize, 1..20usize, 1..6usize, 1..6usize);
    let rest = (pair(3), pair(3), prop::array::uniform4(0..4i64), any::<bool>());
    (sides, rest, prop::array::uniform2(13..40usize)).prop_map(
        |((inputs, outputs, high, wide), (strides, dilations, pads, depthwise), picture)| {
            let outputs = if depthwise { inputs } else { outputs };
            let sides = [inputs, outputs, high, wide];
            (Shape { sides, strides, dilations, pads, depthwise }, picture)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_convolution_is_rtens((shape, [height, width]) in shapes()) {
        let input = [1, shape.sides[0], height, width];
        let mut graph = Graph::new(input);
        graph.convolution("input", "output", &shape);
        assert_equal(&graph.finish(&["output"]), input, 1e-3);
    }
}

const SAME: Shape = Shape {
    sides: [4, 4, 3, 3],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [1, 1, 1, 1],
    depthwise: false,
};

#[test]
fn what_follows_a_convolution_is_done_with_it() {
    let shape = [2, 4, 20, 30];
    let mut graph = Graph::new(shape);
    graph.convolution("input", "a", &SAME);
    graph.node("Sigmoid", &["a"], "gate", &[]);
    graph.node("Mul", &["gate", "a"], "silu", &[]);
    graph.convolution("silu", "b", &SAME);
    graph.constant("low", &[], vec![-0.5]);
    graph.constant("high", &[], vec![0.25]);
    graph.node("Clip", &["b", "low", "high"], "clip", &[]);
    graph.convolution("clip", "c", &Shape { depthwise: true, ..SAME });
    graph.node("Relu", &["c"], "relu", &[]);
    graph.node("Add", &["relu", "silu"], "sum", &[]);
    graph.node("Concat", &["sum", "input"], "both", &[]);
    graph.with_number("axis", 1);
    graph.convolution("both", "output", &Shape { sides: [8, 3, 1, 1], pads: [0; 4], ..SAME });
    assert_equal(&graph.finish(&["output", "sum"]), shape, 1e-4);
}

#[test]
fn values_that_others_read_are_kept() {
    let shape = [1, 4, 9, 9];
    let mut graph = Graph::new(shape);
    graph.convolution("input", "a", &SAME);
    graph.node("Relu", &["a"], "relu", &[]);
    graph.node("Sigmoid", &["a"], "gate", &[]);
    graph.node("Mul", &["gate", "a"], "silu", &[]);
    graph.convolution("silu", "b", &SAME);
    graph.node("Relu", &["b"], "last", &[]);
    assert_equal(&graph.finish(&["relu", "gate", "b", "last"]), shape, 1e-4);
}

#[test]
fn a_network_without_what_is_faster_is_rtens() {
    let mut graph = Graph::new([1, 4, 9, 9]);
    graph.node("Relu", &["input"], "output", &[]);
    assert!(Plan::new(&graph.finish(&["output"])).is_none());
    // Groups that are neither one nor all.
    let mut graph = Graph::new([1, 4, 9, 9]);
    graph.constant("w", &[4, 2, 1, 1], vec![1.0; 8]);
    graph.node("Conv", &["input", "w"], "output", &[]);
    graph.with_number("group", 2);
    assert!(Plan::new(&graph.finish(&["output"])).is_none());
    assert!(Plan::new(b"no network").is_none());
}

#[test]
fn an_input_of_another_size_is_an_error() {
    let mut graph = Graph::new([1, 4, 9, 9]);
    graph.convolution("input", "output", &SAME);
    let plan = Plan::new(&graph.finish(&["output"])).unwrap();
    let input = [0.0; 5 * 81];
    let view = ValueView::from_shape([1, 5, 9, 9], &input).unwrap();
    assert!(plan.run(vec![(plan.inputs()[0], view.into())], &RunOptions::default()).is_err());
}
