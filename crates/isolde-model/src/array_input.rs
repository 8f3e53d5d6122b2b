//! Arrays as the inputs of a user's network.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The arrays that a network takes, one for each input of its graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayInputs {
    /// In the graph's order.
    pub arrays: Vec<ArrayInput>,
}

/// What an input of a graph takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayInput {
    /// Name of the graph's input, and of the array for it.
    pub name: String,
    /// Type of its elements, as the graph declares it.
    pub element: ArrayElement,
    /// Length of each axis, 0 where any is taken; `None` where the graph does not
    /// even say how many axes there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
}

/// Types of elements that arrays have and inputs declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrayElement {
    /// IEEE 754 half precision.
    Float16,
    /// Single precision.
    Float32,
    /// Double precision.
    Float64,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 8 bits.
    Uint8,
    /// True or false.
    Bool,
}

impl ArrayElement {
    /// Bytes of one element in an array.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Int8 | Self::Uint8 | Self::Bool => 1,
            Self::Float16 => 2,
            Self::Float32 | Self::Int32 => 4,
            Self::Float64 | Self::Int64 => 8,
        }
    }

    /// Whether arrays of these elements can be given to inputs of the others: the
    /// engine computes all floating-point numbers as float32, and int64 as int32.
    #[must_use]
    pub const fn fits(self, declared: Self) -> bool {
        matches!(
            (self, declared),
            (
                Self::Float16 | Self::Float32 | Self::Float64,
                Self::Float16 | Self::Float32 | Self::Float64
            ) | (Self::Int32 | Self::Int64, Self::Int32 | Self::Int64)
                | (Self::Int8, Self::Int8)
                | (Self::Uint8, Self::Uint8)
                | (Self::Bool, Self::Bool)
        )
    }
}

impl fmt::Display for ArrayElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Int8 => "int8",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Bool => "bool",
        })
    }
}
