//! `tasks.parquet`: one row per task of each inference, where inferences consist
//! of several.

use isolde_model::{Inference, TaskTime, Trial};
use parquet::data_type::ByteArray;

use crate::inferences::{check_trial, nanoseconds, of_trial, to_u32, to_u64};
use crate::table::{self, Column, Kind, Values};

/// Most rows of one trial that are kept.
const MOST_ROWS: usize = 16_000_000;

/// The tasks of the trial's inferences as a Parquet file, or what of them does not
/// fit.
pub(crate) fn encode(
    trial: &Trial,
    names: &[String],
    inferences: &[Inference],
) -> Result<Vec<u8>, String> {
    if inferences.iter().any(|inference| inference.tasks.len() != names.len()) {
        return Err(format!("an inference that does not have {} tasks", names.len()));
    }
    let rows = inferences.len().saturating_mul(names.len());
    if rows > MOST_ROWS {
        return Err(format!("{rows} tasks, more than {MOST_ROWS}"));
    }
    let indexes = inferences
        .iter()
        .flat_map(|inference| std::iter::repeat_n(i64::from(inference.index), names.len()));
    let tasks = inferences.iter().flat_map(|_| names.iter().map(|name| ByteArray::from(&**name)));
    let times = || inferences.iter().flat_map(|inference| inference.tasks.iter());
    let mut columns = of_trial(trial, rows);
    columns.extend([
        Column::repetitive("index", Values::Int(indexes.collect())),
        Column::repetitive("task", Values::Text(tasks.collect())),
        nanoseconds("prepare_ns", times().map(|time| time.prepare_ns))?,
        nanoseconds("infer_ns", times().map(|time| time.infer_ns))?,
        nanoseconds("interpret_ns", times().map(|time| time.interpret_ns))?,
    ]);
    table::encode("tasks", &columns).map_err(|error| error.to_string())
}

/// Gives the inferences of trial `index` their tasks, of which each must have
/// those called `names`.
pub(crate) fn decode_into(
    file: Vec<u8>,
    index: u32,
    names: &[String],
    inferences: &mut [Inference],
) -> Result<(), String> {
    let wanted = [
        ("trial", Kind::Int),
        ("index", Kind::Int),
        ("task", Kind::Text),
        ("prepare_ns", Kind::Int),
        ("infer_ns", Kind::Int),
        ("interpret_ns", Kind::Int),
    ];
    let [
        Values::Int(trials),
        Values::Int(indexes),
        Values::Text(tasks),
        Values::Int(prepare),
        Values::Int(infer),
        Values::Int(interpret),
    ] = table::decode(file, wanted, MOST_ROWS)?
    else {
        return Err("columns of other types".into());
    };
    check_trial(&trials, index)?;
    if indexes.len() != inferences.len().saturating_mul(names.len()) {
        return Err(format!("it has {} rows for {} inferences", indexes.len(), inferences.len()));
    }
    for (place, inference) in inferences.iter_mut().enumerate() {
        for (row, name) in (place * names.len()..).zip(names) {
            if to_u32("index", indexes[row])? != inference.index
                || tasks[row].data() != name.as_bytes()
            {
                return Err(format!("row {row} is out of order"));
            }
            inference.tasks.push(TaskTime {
                prepare_ns: to_u64("prepare_ns", prepare[row])?,
                infer_ns: to_u64("infer_ns", infer[row])?,
                interpret_ns: to_u64("interpret_ns", interpret[row])?,
            });
        }
    }
    Ok(())
}
