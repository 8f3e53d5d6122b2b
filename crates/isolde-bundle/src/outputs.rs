//! `outputs.parquet`: one row per value of each output tensor.

use isolde_model::{OutputTensor, Trial};

use crate::inferences::{check_trial, to_u32};
use crate::table::{self, Column, Kind, Values};

/// Most values of one trial's output tensors: 256 MiB of them.
pub(crate) const MOST_ROWS: usize = 64 << 20;

/// The trial's output tensors as a Parquet file, or what of them does not fit.
pub(crate) fn encode(trial: &Trial, outputs: &[OutputTensor]) -> Result<Vec<u8>, String> {
    if outputs.iter().any(|tensor| tensor.values.is_empty()) {
        return Err("an output tensor without values".into());
    }
    let rows = outputs.iter().map(|tensor| tensor.values.len()).sum();
    if rows > MOST_ROWS {
        return Err(format!("{rows} output values, more than {MOST_ROWS}"));
    }
    let inputs = outputs
        .iter()
        .flat_map(|tensor| std::iter::repeat_n(i64::from(tensor.input), tensor.values.len()));
    let positions = outputs.iter().flat_map(|tensor| 0..tensor.values.len() as i64);
    let values = outputs.iter().flat_map(|tensor| tensor.values.iter().copied());
    let columns = [
        Column::constant("trial", trial.index, rows),
        Column::constant_text("environment", trial.environment.as_str(), rows),
        Column::constant_text("application", &trial.application, rows),
        Column::repetitive("input", Values::Int(inputs.collect())),
        Column::repetitive("position", Values::Int(positions.collect())),
        Column::varied("value", Values::Float(values.collect())),
    ];
    table::encode("outputs", &columns).map_err(|error| error.to_string())
}

/// The output tensors of trial `index`, in the order in which they were written.
pub(crate) fn decode(file: Vec<u8>, index: u32) -> Result<Vec<OutputTensor>, String> {
    let wanted = [
        ("trial", Kind::Int),
        ("input", Kind::Int),
        ("position", Kind::Int),
        ("value", Kind::Float),
    ];
    let [Values::Int(trials), Values::Int(inputs), Values::Int(positions), Values::Float(values)] =
        table::decode(file, wanted, MOST_ROWS)?
    else {
        return Err("columns of other types".into());
    };
    check_trial(&trials, index)?;
    let mut outputs: Vec<OutputTensor> = Vec::new();
    for ((input, position), value) in inputs.into_iter().zip(positions).zip(values) {
        let input = to_u32("input", input)?;
        if position == 0 {
            outputs.push(OutputTensor { input, values: vec![value] });
            continue;
        }
        match outputs.last_mut() {
            Some(tensor)
                if tensor.input == input && tensor.values.len() as u64 == position as u64 =>
            {
                tensor.values.push(value);
            }
            _ => return Err(format!("value {position} of input {input} is out of order")),
        }
    }
    Ok(outputs)
}
