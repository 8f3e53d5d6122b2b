//! What an ONNX file says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::wire::WireError;

/// What an ONNX file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The graph's inputs that must be given: those without an initial value.
    pub inputs: Vec<TensorInfo>,
    /// The graph's outputs, in its order.
    pub outputs: Vec<TensorInfo>,
    /// Operator sets it needs: version by domain (empty for ONNX's own).
    pub opsets: BTreeMap<String, i64>,
    /// Operators used, subgraphs included, as `Conv` or `com.microsoft.Gelu`.
    pub operators: BTreeSet<String>,
    /// Its metadata. Values of more than 64 KiB are left out.
    pub metadata: BTreeMap<String, String>,
    /// Files with weights: by location as written, the bytes that must be there.
    pub weights: BTreeMap<String, u64>,
}

/// An input or output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// `TensorProto.DataType`; `None` for what is no tensor or not said.
    pub element: Option<i64>,
    /// Its axes; `None` where not even their number is said.
    pub axes: Option<Vec<Axis>>,
    /// What kind of thing it is, such as `IMAGE` (TypeDenotation.md).
    pub denotation: String,
}

/// One axis of a tensor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Axis {
    /// Its length, where it is fixed.
    pub length: Option<u64>,
    /// Its name, where it has one.
    pub name: String,
    /// What runs along it, such as `DATA_CHANNEL` (DimensionDenotation.md).
    pub denotation: String,
}

/// How an ONNX file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutlineError {
    /// The bytes are none of the encoding.
    #[error("it is no ONNX file: {0}")]
    Wire(#[from] WireError),
    /// It holds no graph.
    #[error("it is no ONNX file: there is no graph in it")]
    NoGraph,
    /// More of something than any model has.
    #[error("it has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// An offset or length of external data that is none.
    #[error("the external data of `{tensor}` has a {key} of `{value}`")]
    External {
        /// The tensor.
        tensor: String,
        /// Offset, length or location.
        key: &'static str,
        /// What it says.
        value: String,
    },
}

impl fmt::Display for TensorInfo {
    /// As in `images: float32 [batch, 3, 640, ?]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let element = self.element.map_or("not a tensor", element_name);
        write!(f, "`{}`: {element} ", self.name)?;
        let Some(axes) = &self.axes else { return f.write_str("of unknown shape") };
        f.write_str("[")?;
        for (place, axis) in axes.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            match axis.length {
                Some(length) => write!(f, "{comma}{length}")?,
                None if axis.name.is_empty() => write!(f, "{comma}?")?,
                None => write!(f, "{comma}{}", axis.name)?,
            }
        }
        f.write_str("]")
    }
}

/// Names of `TensorProto.DataType`.
fn element_name(element: i64) -> &'static str {
    match element {
        1 => "float32",
        2 => "uint8",
        3 => "int8",
        4 => "uint16",
        5 => "int16",
        6 => "int32",
        7 => "int64",
        8 => "string",
        9 => "bool",
        10 => "float16",
        11 => "float64",
        12 => "uint32",
        13 => "uint64",
        16 => "bfloat16",
        _ => "of an unusual type",
    }
}
