//! The road sign network: LeNet-5 in its form with rectifiers and max pooling,
//! for 32×32 grey pictures and 43 classes.
//!
//! `LeCun` et al., Gradient-based learning applied to document recognition, 1998
//! (<https://doi.org/10.1109/5.726791>). The bundled network of the application
//! road-sign is the same one, trained.

use super::graph::Graph;
use super::layer::{Convolution, Pool};

const CLASSES: usize = 43;
const HALVE: Pool = Pool { side: 2, stride: 2, padding: 0 };

pub(super) fn graph(name: &'static str) -> Graph {
    let (mut graph, mut x) = Graph::new(name, [1, 32, 32]);
    graph.input_meaning("grey", "signed", "stretch");
    for (stage, filters) in [(1, 6), (2, 16)] {
        x = graph.conv(&format!("conv{stage}"), &x, Convolution::new(filters, 5));
        x = graph.relu(&x);
        x = graph.max_pool(&format!("conv{stage}.pooled"), &x, HALVE);
    }
    let flat = graph.flatten("flat", &x);
    let first = graph.dense("fc1", &flat, 120, true);
    let second = graph.dense("fc2", &first, 84, true);
    let logits = graph.dense("logits", &second, CLASSES, false);
    graph.vector_output(&logits);
    graph
}
