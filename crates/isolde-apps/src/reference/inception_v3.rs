//! The traffic light network: Inception-v3 without its auxiliary classifier, for
//! three classes.
//!
//! Szegedy et al., Rethinking the Inception Architecture for Computer Vision,
//! 2015 (<https://arxiv.org/abs/1512.00567>); layers, order of the branches and
//! pooling that counts its padding as in
//! <https://github.com/pytorch/vision/blob/main/torchvision/models/inception.py>.

use super::graph::{Graph, Map};
use super::layer::{Convolution, Pool};

/// None, green, red.
const CLASSES: usize = 3;
const HALVE: Pool = Pool { side: 3, stride: 2, padding: 0 };
const SMOOTH: Pool = Pool { side: 3, stride: 1, padding: 1 };

pub(super) fn graph(name: &'static str) -> Graph {
    let (graph, input) = Graph::new(name, [3, 299, 299]);
    let mut net = Inception { graph, block: "stem" };
    net.graph.input_meaning("rgb", "signed", "stretch");
    let x = net.stem(&input);
    let x = net.narrow("mixed5b", &x, 32);
    let x = net.narrow("mixed5c", &x, 64);
    let x = net.narrow("mixed5d", &x, 64);
    let x = net.first_reduction("mixed6a", &x);
    let x = net.factorised("mixed6b", &x, 128);
    let x = net.factorised("mixed6c", &x, 160);
    let x = net.factorised("mixed6d", &x, 160);
    let x = net.factorised("mixed6e", &x, 192);
    let x = net.second_reduction("mixed7a", &x);
    let x = net.expanded("mixed7b", &x);
    let x = net.expanded("mixed7c", &x);
    let mut graph = net.graph;
    let x = graph.global_average("average", &x);
    let flat = graph.flatten("flat", &x);
    let logits = graph.dense("logits", &flat, CLASSES, false);
    graph.vector_output(&logits);
    graph
}

/// A convolution with padding for stride 1.
fn same(filters: usize, kernel: [usize; 2]) -> Convolution {
    Convolution::rectangular(filters, kernel).same()
}

struct Inception {
    graph: Graph,
    /// Its layers are named after it.
    block: &'static str,
}

impl Inception {
    fn conv(&mut self, name: &str, input: &Map, layer: Convolution) -> Map {
        let x = self.graph.conv(&format!("{}.{name}", self.block), input, layer);
        self.graph.relu(&x)
    }

    /// Convolutions one after another.
    fn chain(
        &mut self,
        name: &str,
        input: &Map,
        layers: impl IntoIterator<Item = Convolution>,
    ) -> Map {
        let layers = (1..).zip(layers);
        layers.fold(input.clone(), |x, (number, layer)| {
            self.conv(&format!("{name}.{number}"), &x, layer)
        })
    }

    fn halved(&mut self, name: &str, input: &Map) -> Map {
        self.graph.max_pool(&format!("{}.{name}", self.block), input, HALVE)
    }

    /// The branch that smooths, then mixes channels.
    fn smoothed(&mut self, input: &Map, filters: usize) -> Map {
        let x = self.graph.average_pool(&format!("{}.smooth", self.block), input, SMOOTH);
        self.conv("pool", &x, Convolution::new(filters, 1))
    }

    fn joined(&mut self, parts: &[Map]) -> Map {
        self.graph.concat(self.block, parts)
    }

    /// 299×299 pixels to 35×35.
    fn stem(&mut self, input: &Map) -> Map {
        let first = [
            Convolution::new(32, 3).stride(2),
            Convolution::new(32, 3),
            Convolution::new(64, 3).padding(1),
        ];
        let x = self.chain("a", input, first);
        let x = self.halved("a.pool", &x);
        let x = self.chain("b", &x, [Convolution::new(80, 1), Convolution::new(192, 3)]);
        self.halved("b.pool", &x)
    }

    /// Figure 5 of the paper.
    fn narrow(&mut self, block: &'static str, input: &Map, pooled: usize) -> Map {
        self.block = block;
        let one = self.conv("1x1", input, Convolution::new(64, 1));
        let five = self.chain("5x5", input, [Convolution::new(48, 1), same(64, [5, 5])]);
        let layers = [Convolution::new(64, 1), same(96, [3, 3]), same(96, [3, 3])];
        let three = self.chain("3x3", input, layers);
        let pool = self.smoothed(input, pooled);
        self.joined(&[one, five, three, pool])
    }

    /// 35×35 to 17×17.
    fn first_reduction(&mut self, block: &'static str, input: &Map) -> Map {
        self.block = block;
        let three = self.conv("3x3", input, Convolution::new(384, 3).stride(2));
        let layers = [Convolution::new(64, 1), same(96, [3, 3]), Convolution::new(96, 3).stride(2)];
        let double = self.chain("double", input, layers);
        let pool = self.halved("pool", input);
        self.joined(&[three, double, pool])
    }

    /// Figure 6: 7×7 as 1×7 and 7×1.
    fn factorised(&mut self, block: &'static str, input: &Map, inner: usize) -> Map {
        self.block = block;
        let (flat, high) = ([1, 7], [7, 1]);
        let one = self.conv("1x1", input, Convolution::new(192, 1));
        let layers = [Convolution::new(inner, 1), same(inner, flat), same(192, high)];
        let seven = self.chain("7x7", input, layers);
        let layers = [
            Convolution::new(inner, 1),
            same(inner, high),
            same(inner, flat),
            same(inner, high),
            same(192, flat),
        ];
        let double = self.chain("double", input, layers);
        let pool = self.smoothed(input, 192);
        self.joined(&[one, seven, double, pool])
    }

    /// 17×17 to 8×8.
    fn second_reduction(&mut self, block: &'static str, input: &Map) -> Map {
        self.block = block;
        let layers = [Convolution::new(192, 1), Convolution::new(320, 3).stride(2)];
        let three = self.chain("3x3", input, layers);
        let layers = [
            Convolution::new(192, 1),
            same(192, [1, 7]),
            same(192, [7, 1]),
            Convolution::new(192, 3).stride(2),
        ];
        let seven = self.chain("7x7", input, layers);
        let pool = self.halved("pool", input);
        self.joined(&[three, seven, pool])
    }

    /// Figure 7: 1×3 and 3×1 beside each other.
    fn expanded(&mut self, block: &'static str, input: &Map) -> Map {
        self.block = block;
        let one = self.conv("1x1", input, Convolution::new(320, 1));
        let x = self.conv("3x3", input, Convolution::new(384, 1));
        let three = self.split("3x3", &x);
        let x = self.chain("double", input, [Convolution::new(448, 1), same(384, [3, 3])]);
        let double = self.split("double", &x);
        let pool = self.smoothed(input, 192);
        self.joined(&[one, three, double, pool])
    }

    fn split(&mut self, name: &str, input: &Map) -> Map {
        let flat = self.conv(&format!("{name}.flat"), input, same(384, [1, 3]));
        let high = self.conv(&format!("{name}.high"), input, same(384, [3, 1]));
        self.graph.concat(&format!("{}.{name}.split", self.block), &[flat, high])
    }
}
