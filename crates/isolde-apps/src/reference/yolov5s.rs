//! The object detection network: YOLOv5s of release 6, for 640×640 pixels and
//! the 13 classes of BDD100K with coloured traffic lights.
//!
//! Jocher, YOLOv5 (<https://github.com/ultralytics/yolov5>), `models/yolov5s.yaml`
//! and `models/common.py` of v6.2: depth 0.33, width 0.50. The classes are those of
//! Yu et al., BDD100K, 2018 (<https://arxiv.org/abs/1805.04687>).

use super::graph::{Graph, Map};
use super::layer::{Convolution, Pool};
use super::weights::Values;

const CLASSES: usize = 13;
const ANCHORS: usize = 3;
/// tx, ty, tw, th and objectness come before the classes.
const BEFORE_CLASSES: usize = 5;

/// Bias of objectness for strides 8, 16 and 32 as YOLOv5 starts with: ln(8 /
/// (640 / stride)²), eight objects in a picture of 640×640.
const OBJECTNESS: [f32; 3] = [-6.684_612, -5.298_317_4, -3.912_023];
/// Bias of every class, likewise: ln(0.6 / (13 − 0.99999)).
const CLASS: f32 = -2.995_733;
/// Variance of the head's weights times their number, small enough that a few
/// boxes in a picture exceed a score of 0.25, as of a trained detector.
const HEAD_GAIN: f32 = 0.5;
/// Bound of the biases before a SiLU. It keeps about half of a small value, so
/// that without biases, which come of batch normalisation in a trained network,
/// activations would shrink with every layer.
const BIAS: f32 = 0.9;

pub(super) fn graph(name: &'static str) -> Graph {
    let (graph, input) = Graph::new(name, [3, 640, 640]);
    let mut net = Yolo(graph);
    net.0.input_meaning("rgb", "unit", "letterbox");
    let [fine, middle, coarse] = net.backbone(&input);
    let outputs = net.neck(&fine, &middle, &coarse);
    for ((output, objectness), level) in outputs.iter().zip(OBJECTNESS).zip(3..) {
        let p = net.detect(&format!("p{level}"), output, objectness);
        net.0.map_output(&p);
    }
    net.0
}

struct Yolo(Graph);

impl Yolo {
    fn conv(&mut self, name: &str, input: &Map, layer: Convolution) -> Map {
        let bias = Values::Drawn { count: layer.filters, bound: BIAS };
        let x = self.0.conv(name, input, layer.bias(bias));
        self.0.silu(&x)
    }

    fn down(&mut self, name: &str, input: &Map, filters: usize) -> Map {
        self.conv(name, input, Convolution::new(filters, 3).stride(2).padding(1))
    }

    /// Features of strides 8, 16 and 32.
    fn backbone(&mut self, input: &Map) -> [Map; 3] {
        let x = self.conv("b0", input, Convolution::new(32, 6).stride(2).padding(2));
        let x = self.down("b1", &x, 64);
        let x = self.c3("b2", &x, 64, 1, true);
        let x = self.down("b3", &x, 128);
        let fine = self.c3("b4", &x, 128, 2, true);
        let x = self.down("b5", &fine, 256);
        let middle = self.c3("b6", &x, 256, 3, true);
        let x = self.down("b7", &middle, 512);
        let x = self.c3("b8", &x, 512, 1, true);
        let coarse = self.sppf("b9", &x);
        [fine, middle, coarse]
    }

    /// The path aggregation network: from coarse to fine and back.
    fn neck(&mut self, fine: &Map, middle: &Map, coarse: &Map) -> [Map; 3] {
        let coarse = self.conv("n10", coarse, Convolution::new(256, 1));
        let x = self.0.double("n11", &coarse);
        let x = self.0.concat("n12", &[x, middle.clone()]);
        let x = self.c3("n13", &x, 256, 1, false);
        let middle = self.conv("n14", &x, Convolution::new(128, 1));
        let x = self.0.double("n15", &middle);
        let x = self.0.concat("n16", &[x, fine.clone()]);
        let p3 = self.c3("n17", &x, 128, 1, false);
        let x = self.down("n18", &p3, 128);
        let x = self.0.concat("n19", &[x, middle]);
        let p4 = self.c3("n20", &x, 256, 1, false);
        let x = self.down("n21", &p4, 256);
        let x = self.0.concat("n22", &[x, coarse]);
        let p5 = self.c3("n23", &x, 512, 1, false);
        [p3, p4, p5]
    }

    /// A cross-stage partial block: half of the channels through bottlenecks.
    fn c3(&mut self, name: &str, input: &Map, filters: usize, blocks: usize, carried: bool) -> Map {
        let half = filters / 2;
        let mut x = self.conv(&format!("{name}.cv1"), input, Convolution::new(half, 1));
        for block in 0..blocks {
            let inner = self.conv(&format!("{name}.m{block}.cv1"), &x, Convolution::new(half, 1));
            let layer = Convolution::new(half, 3).same();
            let inner = self.conv(&format!("{name}.m{block}.cv2"), &inner, layer);
            x = match carried {
                true => self.0.add(&format!("{name}.m{block}.add"), &x, &inner),
                false => inner,
            };
        }
        let past = self.conv(&format!("{name}.cv2"), input, Convolution::new(half, 1));
        let x = self.0.concat(&format!("{name}.cat"), &[x, past]);
        self.conv(&format!("{name}.cv3"), &x, Convolution::new(filters, 1))
    }

    /// Spatial pyramid pooling: windows of 5, 9 and 13 by three of 5.
    fn sppf(&mut self, name: &str, input: &Map) -> Map {
        let pool = Pool { side: 5, stride: 1, padding: 2 };
        let half = Convolution::new(input.channels / 2, 1);
        let x = self.conv(&format!("{name}.cv1"), input, half);
        let mut parts = vec![x];
        for number in 0..3 {
            let pooled = self.0.max_pool(&format!("{name}.pool{number}"), &parts[number], pool);
            parts.push(pooled);
        }
        let x = self.0.concat(&format!("{name}.cat"), &parts);
        self.conv(&format!("{name}.cv2"), &x, Convolution::new(input.channels, 1))
    }

    fn detect(&mut self, name: &str, input: &Map, objectness: f32) -> Map {
        let mut anchor = vec![0.0; BEFORE_CLASSES];
        anchor[BEFORE_CLASSES - 1] = objectness;
        anchor.extend([CLASS; CLASSES]);
        let bias = Values::Given(anchor.repeat(ANCHORS));
        let filters = ANCHORS * (BEFORE_CLASSES + CLASSES);
        self.0.conv(name, input, Convolution::new(filters, 1).gain(HEAD_GAIN).bias(bias))
    }
}
