//! `inferences.parquet`: one row per inference.

use isolde_model::{Inference, Phase, Trial};
use parquet::data_type::ByteArray;

use crate::table::{self, Column, Kind, Values};

/// Most rows of one trial that are kept: twice the largest count of a plan,
/// which the warm-up has a second time.
pub(crate) const MOST_ROWS: usize = 2_000_000;

const STEADY: &str = "steady";
const WARM_UP: &str = "warm_up";

/// The trial's inferences as a Parquet file, or what of them does not fit.
pub(crate) fn encode(trial: &Trial, inferences: &[Inference]) -> Result<Vec<u8>, String> {
    let rows = inferences.len();
    if rows > MOST_ROWS {
        return Err(format!("{rows} inferences, more than {MOST_ROWS}"));
    }
    let count = |name, value: fn(&Inference) -> u32| {
        let values = inferences.iter().map(|inference| i64::from(value(inference))).collect();
        Column::repetitive(name, Values::Int(values))
    };
    let text = |name, value: fn(&Inference) -> &str| {
        let values = inferences.iter().map(|inference| ByteArray::from(value(inference))).collect();
        Column::repetitive(name, Values::Text(values))
    };
    let durations = |value: fn(&Inference) -> u64| inferences.iter().map(value);
    let mut columns = of_trial(trial, rows);
    columns.extend([
        count("index", |inference| inference.index),
        text("phase", |inference| phase_name(inference.phase)),
        count("input", |inference| inference.input),
        nanoseconds("prepare_ns", durations(|inference| inference.prepare_ns))?,
        nanoseconds("infer_ns", durations(|inference| inference.infer_ns))?,
        nanoseconds("interpret_ns", durations(|inference| inference.interpret_ns))?,
        count("label", |inference| inference.label),
        text("output_digest", |inference| &inference.output_digest),
    ]);
    table::encode("inferences", &columns).map_err(|error| error.to_string())
}

/// The columns that say in each row which trial it belongs to.
pub(crate) fn of_trial(trial: &Trial, rows: usize) -> Vec<Column> {
    vec![
        Column::constant("trial", trial.index, rows),
        Column::constant("block", trial.block, rows),
        Column::constant("position", trial.position, rows),
        Column::constant_text("environment", trial.environment.as_str(), rows),
        Column::constant_text("application", &trial.application, rows),
        Column::constant("threads", trial.threads, rows),
    ]
}

/// A column of durations, or that one is too long for it.
pub(crate) fn nanoseconds(
    name: &'static str,
    values: impl Iterator<Item = u64>,
) -> Result<Column, String> {
    let values = values.map(i64::try_from).collect::<Result<_, _>>();
    let values = values.map_err(|_| format!("{name} overflows"))?;
    Ok(Column::varied(name, Values::Int(values)))
}

/// The inferences of trial `index`, in the order in which they were written.
pub(crate) fn decode(file: Vec<u8>, index: u32) -> Result<Vec<Inference>, String> {
    let wanted = [
        ("trial", Kind::Int),
        ("index", Kind::Int),
        ("phase", Kind::Text),
        ("input", Kind::Int),
        ("prepare_ns", Kind::Int),
        ("infer_ns", Kind::Int),
        ("interpret_ns", Kind::Int),
        ("label", Kind::Int),
        ("output_digest", Kind::Text),
    ];
    let [
        Values::Int(trials),
        Values::Int(indexes),
        Values::Text(phases),
        Values::Int(inputs),
        Values::Int(prepare),
        Values::Int(infer),
        Values::Int(interpret),
        Values::Int(labels),
        Values::Text(digests),
    ] = table::decode(file, wanted, MOST_ROWS)?
    else {
        return Err("columns of other types".into());
    };
    check_trial(&trials, index)?;
    (0..indexes.len())
        .map(|row| {
            Ok(Inference {
                index: to_u32("index", indexes[row])?,
                phase: to_phase(&phases[row])?,
                input: to_u32("input", inputs[row])?,
                prepare_ns: to_u64("prepare_ns", prepare[row])?,
                infer_ns: to_u64("infer_ns", infer[row])?,
                interpret_ns: to_u64("interpret_ns", interpret[row])?,
                label: to_u32("label", labels[row])?,
                output_digest: to_text("output_digest", &digests[row])?,
                tasks: Vec::new(),
            })
        })
        .collect()
}

/// Whether every row belongs to the trial whose folder the file is in.
pub(crate) fn check_trial(trials: &[i64], index: u32) -> Result<(), String> {
    match trials.iter().find(|&&trial| trial != i64::from(index)) {
        Some(other) => Err(format!("it holds rows of trial {other}")),
        None => Ok(()),
    }
}

pub(crate) fn to_u32(column: &str, value: i64) -> Result<u32, String> {
    u32::try_from(value).map_err(|_| format!("column {column} holds {value}"))
}

pub(crate) fn to_u64(column: &str, value: i64) -> Result<u64, String> {
    u64::try_from(value).map_err(|_| format!("column {column} holds {value}"))
}

fn to_text(column: &str, value: &ByteArray) -> Result<String, String> {
    let text = value.as_utf8().map_err(|_| format!("column {column} is not UTF-8"))?;
    Ok(text.to_owned())
}

const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::WarmUp => WARM_UP,
        Phase::Steady => STEADY,
    }
}

fn to_phase(value: &ByteArray) -> Result<Phase, String> {
    match value.data() {
        text if text == STEADY.as_bytes() => Ok(Phase::Steady),
        text if text == WARM_UP.as_bytes() => Ok(Phase::WarmUp),
        text => Err(format!("unknown phase `{}`", text.escape_ascii())),
    }
}
