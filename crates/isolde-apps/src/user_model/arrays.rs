//! Arrays as inputs: what a graph takes, and whether an archive has just that.

use std::collections::BTreeMap;

use isolde_model::{ArrayElement, ArrayInput, ArrayInputs};
use rten::Value;

use super::npy::{Npy, NpyError};
use super::npz::{NpzError, members, shown};
use super::outline::{Axis, Outline, TensorInfo};

/// Why arrays cannot be the inputs of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArraysError {
    /// An input that no array can be given to.
    #[error(
        "its input {0} cannot be given: arrays of float16, float32, float64, int8, int32, int64, uint8 and bool can"
    )]
    Input(String),
    /// More than a sandbox can be told.
    #[error("the names of its inputs have more than 64 KiB: export it with shorter ones")]
    Names,
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] NpzError),
    /// An array that cannot be read.
    #[error("its array `{name}`: {source}")]
    Array {
        /// Its name.
        name: String,
        /// Why not.
        source: NpyError,
    },
    /// Other arrays than the model takes; each difference with what to do.
    #[error("it does not have what the model takes: {0}")]
    Mismatch(String),
}

/// Most bytes of all inputs' names, which travel to the sandbox in one message.
const LONGEST_NAMES: usize = 64 << 10;
/// Differences that are told at once.
const MOST_TOLD: usize = 10;

/// The arrays that the model with this outline takes.
///
/// # Errors
/// The input that no array can be given to, or that their names are too long.
pub fn array_inputs(outline: &Outline) -> Result<ArrayInputs, ArraysError> {
    if outline.inputs.iter().map(|info| info.name.len()).sum::<usize>() > LONGEST_NAMES {
        return Err(ArraysError::Names);
    }
    let arrays = outline.inputs.iter().map(array_input).collect::<Result<_, _>>()?;
    Ok(ArrayInputs { arrays })
}

fn array_input(info: &TensorInfo) -> Result<ArrayInput, ArraysError> {
    let element = element(info).ok_or_else(|| ArraysError::Input(info.to_string()))?;
    let length = |axis: &Axis| axis.length.unwrap_or(0);
    let shape = info.axes.as_ref().map(|axes| axes.iter().map(length).collect());
    Ok(ArrayInput { name: info.name.clone(), element, shape })
}

/// The type of an input, by `TensorProto.DataType` of onnx.proto.
const fn element(info: &TensorInfo) -> Option<ArrayElement> {
    Some(match info.element {
        Some(1) => ArrayElement::Float32,
        Some(2) => ArrayElement::Uint8,
        Some(3) => ArrayElement::Int8,
        Some(6) => ArrayElement::Int32,
        Some(7) => ArrayElement::Int64,
        Some(9) => ArrayElement::Bool,
        Some(10) => ArrayElement::Float16,
        Some(11) => ArrayElement::Float64,
        _ => return None,
    })
}

/// Checks that the archive in `content` has just the arrays that are wanted, and
/// that every value can be given to the engine. Never panics; keeps no more than a
/// bounded amount. Fit for a fuzzer.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn check_arrays(content: &[u8], wanted: &ArrayInputs) -> Result<(), ArraysError> {
    tensors(content, wanted).map(drop)
}

/// The arrays of the archive in `content`, in the order in which they are wanted.
pub(super) fn tensors(content: &[u8], wanted: &ArrayInputs) -> Result<Vec<Value>, ArraysError> {
    let mut found = BTreeMap::new();
    let mut wrong = Vec::new();
    for member in members(content)? {
        if found.insert(member.array, member).is_some() {
            wrong.push(format!("there are two arrays `{}`", shown(member.array)));
        }
    }
    let mut values = Vec::with_capacity(wanted.arrays.len());
    for input in &wanted.arrays {
        let Some(member) = found.remove(input.name.as_str()) else {
            wrong.push(format!("there is no array `{}`, which is {}", input.name, kind(input)));
            continue;
        };
        let content = member.content()?;
        let read = |source| ArraysError::Array { name: input.name.clone(), source };
        let array = Npy::read(&content).map_err(read)?;
        match difference(&array, input) {
            Some(difference) => wrong.push(difference),
            // In vain where another array is wrong, but told of this one first.
            None => values.push(array.tensor().map_err(read)?),
        }
    }
    let others = found
        .keys()
        .map(|name| format!("the array `{}` is none of its inputs: leave it out", shown(name)));
    wrong.extend(others);
    match wrong.is_empty() {
        true => Ok(values),
        false => {
            wrong.truncate(MOST_TOLD);
            Err(ArraysError::Mismatch(wrong.join("; ")))
        }
    }
}

/// How the array is not what the input takes.
fn difference(array: &Npy<'_>, input: &ArrayInput) -> Option<String> {
    let header = &array.header;
    let fits = |shape: &Vec<u64>| {
        let one = |(&found, &wanted): (&u64, &u64)| wanted == 0 || found == wanted;
        header.shape.len() == shape.len() && header.shape.iter().zip(shape).all(one)
    };
    let advice = if !header.element.fits(input.element) {
        format!("convert it with array.astype(numpy.{})", numpy_name(input.element))
    } else if !input.shape.as_ref().is_none_or(fits) {
        "give it that shape".to_owned()
    } else {
        return None;
    };
    let found = ArrayInput {
        name: input.name.clone(),
        element: header.element,
        shape: Some(header.shape.clone()),
    };
    // A length of 0 is one here, and any length in what is taken.
    let found = kind(&found).replace('?', "0");
    Some(format!("`{}` is {found}, and the model takes {}: {advice}", input.name, kind(input)))
}

/// Type and shape, as in `int64 [1, ?]`.
fn kind(input: &ArrayInput) -> String {
    let Some(shape) = &input.shape else { return format!("{} of any shape", input.element) };
    let length = |&length: &u64| if length == 0 { "?".to_owned() } else { length.to_string() };
    let lengths: Vec<String> = shape.iter().map(length).collect();
    format!("{} [{}]", input.element, lengths.join(", "))
}

/// What NumPy calls a type, with the underscore that keeps it from Python's own.
fn numpy_name(element: ArrayElement) -> String {
    match element {
        ArrayElement::Bool => "bool_".into(),
        other => other.to_string(),
    }
}
