//! The lane network: VGG-16 with batch normalisation as encoder, of output
//! stride 8 and with dilated convolutions at its end, and one map for each lane.
//!
//! Pan et al., Spatial As Deep: Spatial CNN for Traffic Scene Understanding, 2018
//! (<https://arxiv.org/abs/1712.06080>), the network without message passing, for
//! CULane's four lanes (<https://github.com/XingangPan/SCNN>); Simonyan and
//! Zisserman, Very Deep Convolutional Networks, 2014, configuration D
//! (<https://arxiv.org/abs/1409.1556>).

use super::graph::{Graph, Map};
use super::layer::{Convolution, Pool};
use super::weights::LINEAR;

/// Background, and lanes from left to right.
const CLASSES: usize = 5;
const HALVE: Pool = Pool { side: 2, stride: 2, padding: 0 };

/// Convolutions of a stage.
struct Stage {
    layers: usize,
    filters: usize,
    dilation: usize,
    halved: bool,
}

/// VGG-16 less its last two pooling layers, the stage behind them dilated in
/// their place.
const STAGES: [Stage; 5] = [
    Stage { layers: 2, filters: 64, dilation: 1, halved: true },
    Stage { layers: 2, filters: 128, dilation: 1, halved: true },
    Stage { layers: 3, filters: 256, dilation: 1, halved: true },
    Stage { layers: 3, filters: 512, dilation: 1, halved: false },
    Stage { layers: 3, filters: 512, dilation: 2, halved: false },
];

pub(super) fn graph(name: &'static str) -> Graph {
    let (mut graph, mut x) = Graph::new(name, [3, 288, 800]);
    graph.input_meaning("rgb", "signed", "stretch");
    for (stage, Stage { layers, filters, dilation, halved }) in (1..).zip(STAGES) {
        for layer in 1..=layers {
            let convolution = Convolution::new(filters, 3).dilation(dilation).same();
            x = rectified(&mut graph, &format!("conv{stage}_{layer}"), &x, convolution);
        }
        if halved {
            x = graph.max_pool(&format!("pool{stage}"), &x, HALVE);
        }
    }
    x = rectified(&mut graph, "conv6", &x, Convolution::new(1024, 3).dilation(4).same());
    x = rectified(&mut graph, "conv7", &x, Convolution::new(128, 1));
    x = graph.conv("score", &x, Convolution::new(CLASSES, 1).gain(LINEAR));
    let lanes = graph.interpolate("lanes", &x, 8);
    graph.map_output(&lanes);
    graph
}

fn rectified(graph: &mut Graph, name: &str, input: &Map, layer: Convolution) -> Map {
    let x = graph.conv(name, input, layer);
    graph.relu(&x)
}
