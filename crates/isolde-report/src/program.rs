//! What is to be said of programs that the user brought.

use isolde_model::{Plan, Source, Timing, TrialRecord};
use serde::{Deserialize, Serialize};

use crate::figures::Row;
use crate::printable;

/// How the completed launches of a program went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramFigures {
    /// Where their durations come from, each once.
    pub timings: Vec<Timing>,
    /// Fewest inferences of a launch, warm-up included.
    pub fewest_inferences: u32,
    /// Most inferences of a launch, warm-up included.
    pub most_inferences: u32,
    /// True where some launch told an output.
    pub tells_outputs: bool,
    /// True where every launch gave its sign of readiness.
    pub ready: bool,
    /// Launches with so few inferences that even those of the warm-up count.
    pub short: usize,
    /// Inferences that came together with others and share their time evenly.
    pub together: u64,
}

/// Of completed launches; `None` where no program ran.
pub(crate) fn figures<'a>(
    records: impl Iterator<Item = &'a TrialRecord>,
) -> Option<ProgramFigures> {
    let all: Vec<_> = records.filter_map(|record| record.program.as_ref()).collect();
    let counts = || all.iter().map(|facts| facts.inferences);
    let mut timings = Vec::new();
    for facts in &all {
        if !timings.contains(&facts.timing) {
            timings.push(facts.timing);
        }
    }
    Some(ProgramFigures {
        timings,
        fewest_inferences: counts().min()?,
        most_inferences: counts().max()?,
        tells_outputs: all.iter().any(|facts| facts.outputs > 0),
        ready: all.iter().all(|facts| facts.ready),
        short: all.iter().filter(|facts| facts.short).count(),
        together: all.iter().map(|facts| u64::from(facts.together)).sum(),
    })
}

fn programs<'a>(rows: &[&'a Row]) -> impl Iterator<Item = (&'a Row, &'a ProgramFigures)> {
    let rows: Vec<&'a Row> = rows.to_vec();
    rows.into_iter().filter_map(|row| Some((row, row.program.as_ref()?)))
}

/// Whether every launch of these rows was timed in this way.
fn only(rows: &[&Row], timing: Timing) -> bool {
    programs(rows).next().is_some()
        && programs(rows).all(|(_, figures)| figures.timings == [timing])
}

/// Whether nothing was timed but the way to readiness.
pub(crate) fn is_cold_start_only(rows: &[&Row]) -> bool {
    only(rows, Timing::ColdStart)
}

/// What the durations of these rows are of.
pub(crate) fn what_is_timed(rows: &[&Row]) -> &'static str {
    if only(rows, Timing::Whole) { "time of the whole program" } else { "inference time" }
}

/// How many inferences a launch does.
pub(crate) fn inferences_asked(plan: &Plan) -> Option<String> {
    let asked = plan.applications.iter().map(|name| match plan.sources.get(name) {
        Some(Source::Program(program)) => program.inferences.is_none(),
        _ => false,
    });
    let own: Vec<bool> = asked.collect();
    match own.iter().filter(|decides| **decides).count() {
        0 => None,
        count if count == own.len() => Some("as many inferences as the program does".into()),
        _ => Some(format!(
            "{} inferences, or as many as a program of the user's does",
            plan.inferences
        )),
    }
}

/// What the cold start ends with.
pub(crate) fn cold_start_ends(rows: &[&Row]) -> &'static str {
    match programs(rows).next() {
        None => "cold start: request to first inference",
        Some(_) if programs(rows).all(|(_, figures)| figures.ready) => {
            "cold start: request to its sign of readiness"
        }
        Some(_) if programs(rows).any(|(_, figures)| figures.ready) => {
            "cold start: request to its sign of readiness, or first inference where it gave none"
        }
        Some(_) if only(rows, Timing::Whole) => "cold start: it gave no sign of readiness",
        Some(_) => "cold start: request to first inference",
    }
}

/// What must be known of the durations.
pub(crate) fn notes(rows: &[&Row], plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    let names = |wanted: &dyn Fn(&ProgramFigures) -> bool| {
        let rows = programs(rows).filter(|(_, figures)| wanted(figures));
        let names: Vec<String> = rows.map(|(row, _)| printable(&row.environment)).collect();
        names.join(", ")
    };
    for (timing, text) in [
        (Timing::Whole, "timed as a whole, from start to exit: it told no inference"),
        (Timing::Agent, "timed by the agent, from one line's arrival to the next's"),
        (Timing::Mixed, "timed in part by the agent, from one line's arrival to the next's"),
        (Timing::ColdStart, "only its cold start was looked at: it was ended once it was ready"),
    ] {
        let names = names(&|figures| figures.timings.contains(&timing));
        if !names.is_empty() {
            notes.push(format!("{names}: {text}"));
        }
    }
    let short = names(&|figures| figures.short > 0);
    if !short.is_empty() {
        notes.push(format!("{short}: too few inferences for a warm-up, so all of a launch count"));
    }
    notes.extend(together(rows));
    notes.extend(counts(rows, plan));
    notes
}

/// That the agent could not tell lines apart.
fn together(rows: &[&Row]) -> Option<String> {
    let all: Vec<String> = programs(rows)
        .filter(|(_, figures)| figures.together > 0)
        .map(|(row, figures)| format!("{} {}", printable(&row.environment), figures.together))
        .collect();
    (!all.is_empty()).then(|| {
        format!(
            "lines that came at once and share their time evenly, so that p95, p99 and SD say \
             little: {}",
            all.join(", ")
        )
    })
}

/// That launches did different work, or other work than was asked for.
fn counts(rows: &[&Row], plan: &Plan) -> Option<String> {
    let fewest = programs(rows).map(|(_, figures)| figures.fewest_inferences).min()?;
    let most = programs(rows).map(|(_, figures)| figures.most_inferences).max()?;
    let source = rows.first().and_then(|row| plan.sources.get(&row.application));
    let asked = match source {
        Some(Source::Program(program)) => program.inferences,
        _ => None,
    };
    let asked = asked.map(|count| count.saturating_add(plan.warm_up));
    match asked {
        Some(asked) if fewest < asked && !is_cold_start_only(rows) => Some(format!(
            "{asked} inferences a launch were asked for (warm-up included), it did {}",
            range(fewest, most)
        )),
        _ if fewest < most => {
            Some(format!("launches differ in their work: {} inferences", range(fewest, most)))
        }
        _ => None,
    }
}

fn range(fewest: u32, most: u32) -> String {
    if fewest == most { most.to_string() } else { format!("{fewest} to {most}") }
}

/// That nothing says whether the environments computed the same.
pub(crate) fn untold_outputs(rows: &[&Row]) -> Option<String> {
    let infers = |figures: &ProgramFigures| figures.timings != [Timing::ColdStart];
    let names: Vec<String> = programs(rows)
        .filter(|(_, figures)| infers(figures) && !figures.tells_outputs)
        .map(|(row, _)| printable(&row.environment))
        .collect();
    (!names.is_empty())
        .then(|| format!("{}: outputs not compared: the program tells none", names.join(", ")))
}
