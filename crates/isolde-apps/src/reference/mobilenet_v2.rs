//! The image classification network: MobileNetV2 of width 1.0 for the 1000
//! classes of `ImageNet`.
//!
//! Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018
//! (<https://arxiv.org/abs/1801.04381>), table 2; padding as in
//! <https://github.com/pytorch/vision/blob/main/torchvision/models/mobilenetv2.py>.

use super::graph::{Graph, Map};
use super::layer::Convolution;
use super::weights::LINEAR;

const CLASSES: usize = 1000;

/// A row of the paper's table: blocks of equal width, of which the first strides.
struct Row {
    expansion: usize,
    channels: usize,
    blocks: usize,
    stride: usize,
}

const ROWS: [Row; 7] = [
    Row { expansion: 1, channels: 16, blocks: 1, stride: 1 },
    Row { expansion: 6, channels: 24, blocks: 2, stride: 2 },
    Row { expansion: 6, channels: 32, blocks: 3, stride: 2 },
    Row { expansion: 6, channels: 64, blocks: 4, stride: 2 },
    Row { expansion: 6, channels: 96, blocks: 3, stride: 1 },
    Row { expansion: 6, channels: 160, blocks: 3, stride: 2 },
    Row { expansion: 6, channels: 320, blocks: 1, stride: 1 },
];

pub(super) fn graph(name: &'static str) -> Graph {
    let (mut graph, input) = Graph::new(name, [3, 224, 224]);
    graph.input_meaning("rgb", "signed", "stretch");
    let mut x = rectified(&mut graph, "stem", &input, Convolution::new(32, 3).stride(2).padding(1));
    for (row, Row { expansion, channels, blocks, stride }) in (1..).zip(ROWS) {
        for block in 1..=blocks {
            let stride = if block == 1 { stride } else { 1 };
            x = bottleneck(
                &mut graph,
                &format!("row{row}.{block}"),
                &x,
                expansion,
                channels,
                stride,
            );
        }
    }
    let x = rectified(&mut graph, "last", &x, Convolution::new(1280, 1));
    let x = graph.global_average("average", &x);
    let flat = graph.flatten("flat", &x);
    let logits = graph.dense("logits", &flat, CLASSES, false);
    graph.vector_output(&logits);
    graph
}

/// Expansion, depthwise convolution and linear projection, around which the
/// input is carried where the shapes agree.
fn bottleneck(
    graph: &mut Graph,
    name: &str,
    input: &Map,
    expansion: usize,
    channels: usize,
    stride: usize,
) -> Map {
    let wide = input.channels * expansion;
    let mut x = input.clone();
    if expansion > 1 {
        x = rectified(graph, &format!("{name}.expand"), &x, Convolution::new(wide, 1));
    }
    let depthwise = Convolution::new(wide, 3).depthwise().stride(stride).padding(1);
    x = rectified(graph, &format!("{name}.depthwise"), &x, depthwise);
    x = graph.conv(&format!("{name}.project"), &x, Convolution::new(channels, 1).gain(LINEAR));
    if stride == 1 && input.channels == channels {
        x = graph.add(&format!("{name}.add"), &x, input);
    }
    x
}

fn rectified(graph: &mut Graph, name: &str, input: &Map, layer: Convolution) -> Map {
    let x = graph.conv(name, input, layer);
    graph.relu6(&x)
}
