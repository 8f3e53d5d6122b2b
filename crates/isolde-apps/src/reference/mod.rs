//! Networks of the study's topologies and sizes, written as ONNX on the device.
//!
//! Their weights are drawn from [`SEED`], so their predictions mean nothing; what
//! an inference computes does not depend on them. A file is the same, byte for
//! byte, on every machine. Batch normalisation is part of the convolutions, as it
//! is when a trained network is exported for inference.

mod graph;
mod inception_v3;
mod lanenet;
mod layer;
mod lenet;
mod mobilenet_v2;
mod onnx;
mod weights;
mod yolov5s;

use std::io::{self, Write};

pub use weights::SEED;

use crate::network_file;

/// Version of what [`write`] writes: raised whenever a network gets other bytes, so that
/// nobody takes one that was kept for it.
pub const VERSION: u32 = 1;

use graph::Graph;

/// A network of the study's topology and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReferenceNetwork {
    /// YOLOv5s: `input` [1, 3, 640, 640] to `p3` [1, 54, 80, 80], `p4` [1, 54, 40,
    /// 40] and `p5` [1, 54, 20, 20].
    ObjectDetection,
    /// Inception-v3: `input` [1, 3, 299, 299] to `logits` [1, 3].
    TrafficLight,
    /// LeNet: `input` [1, 1, 32, 32] to `logits` [1, 43].
    RoadSign,
    /// VGG-16 with dilated convolutions: `input` [1, 3, 288, 800] to `lanes` [1, 5,
    /// 288, 800].
    LaneKeeping,
    /// MobileNetV2: `input` [1, 3, 224, 224] to `logits` [1, 1000].
    ImageClassification,
}

impl ReferenceNetwork {
    /// Every one of them.
    pub const ALL: [Self; 5] = [
        Self::ObjectDetection,
        Self::TrafficLight,
        Self::RoadSign,
        Self::LaneKeeping,
        Self::ImageClassification,
    ];

    /// The name of the application that runs it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ObjectDetection => "object-detection",
            Self::TrafficLight => "traffic-light",
            Self::RoadSign => "road-sign",
            Self::LaneKeeping => "lane-keeping",
            Self::ImageClassification => "image-classification",
        }
    }

    /// The name of its file.
    #[must_use]
    pub fn file_name(self) -> String {
        network_file(self.name())
    }

    /// Number of weights and biases.
    #[must_use]
    pub fn parameters(self) -> u64 {
        self.graph().parameters()
    }

    /// Multiplications and additions, counted as one, of the convolutions and
    /// dense layers of an inference.
    #[must_use]
    pub fn multiply_adds(self) -> u64 {
        self.graph().multiply_adds()
    }

    fn graph(self) -> Graph {
        let name = self.name();
        match self {
            Self::ObjectDetection => yolov5s::graph(name),
            Self::TrafficLight => inception_v3::graph(name),
            Self::RoadSign => lenet::graph(name),
            Self::LaneKeeping => lanenet::graph(name),
            Self::ImageClassification => mobilenet_v2::graph(name),
        }
    }
}

/// Writes `network` as an ONNX file, at most 90 MB, in small pieces: give it a
/// buffered writer. Weights are made as they are written, never all at once.
///
/// # Errors
/// What `out` refuses.
pub fn write(network: ReferenceNetwork, mut out: &mut dyn Write) -> io::Result<()> {
    network.graph().network().write(&mut out)
}
