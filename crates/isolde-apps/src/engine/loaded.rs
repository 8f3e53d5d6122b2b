//! A network as it is run: in steps where that is faster, by rten as a whole where
//! it is not.

use std::path::Path;

use rten::{Dimension, Model, NodeId, RunOptions, Value, ValueOrView};

use super::plan::Plan;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A network that can be run.
pub(super) enum Loaded {
    /// Convolutions of our own, rten between them.
    Steps(Box<Plan>),
    /// rten alone.
    Whole(Box<Model>),
}

impl Loaded {
    pub(super) fn bytes(onnx: &'static [u8]) -> Result<Self, Failure> {
        match Plan::new(onnx) {
            Some(plan) => Ok(Self::Steps(Box::new(plan))),
            None => Ok(Self::Whole(Box::new(Model::load_static_slice(onnx)?))),
        }
    }

    pub(super) fn file(path: &Path) -> Result<Self, Failure> {
        let plan = std::fs::read(path).ok().and_then(|onnx| Plan::new(&onnx));
        match plan {
            Some(plan) => Ok(Self::Steps(Box::new(plan))),
            // It may have weights beside it; what is wrong with it, rten tells.
            None => Ok(Self::Whole(Box::new(Model::load_file(path)?))),
        }
    }

    /// The inputs in the graph's order.
    pub(super) fn inputs(&self) -> &[NodeId] {
        match self {
            Self::Steps(plan) => plan.inputs(),
            Self::Whole(model) => model.input_ids(),
        }
    }

    /// Number of its parameters.
    pub(super) fn parameters(&self) -> usize {
        match self {
            Self::Steps(plan) => plan.parameters(),
            Self::Whole(model) => model.total_params(),
        }
    }

    /// Lengths of the first input's axes, 0 where the network leaves it open.
    pub(super) fn input_shape(&self) -> Vec<usize> {
        match self {
            Self::Steps(plan) => plan.input_shape().to_vec(),
            Self::Whole(model) => {
                let shape = model.input_shape(0).into_iter().flatten();
                let length = |side| match side {
                    Dimension::Fixed(length) => length,
                    Dimension::Symbolic(_) => 0,
                };
                shape.map(length).collect()
            }
        }
    }

    /// The input of that name.
    pub(super) fn input_named(&self, name: &str) -> Option<NodeId> {
        let place = match self {
            Self::Steps(plan) => plan.find(name),
            Self::Whole(model) => model.find_node(name),
        };
        place.filter(|place| self.inputs().contains(place))
    }

    /// All outputs in the graph's order.
    pub(super) fn run(
        &self,
        inputs: Vec<(NodeId, ValueOrView)>,
        options: RunOptions,
    ) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Steps(plan) => Ok(plan.run(inputs, &options)?),
            Self::Whole(model) => Ok(model.run(inputs, model.output_ids(), Some(options))?),
        }
    }
}
