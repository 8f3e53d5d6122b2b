//! From input to answer: what surrounds the network, and what each task takes.

use serde::{Deserialize, Serialize};

use crate::figures::{Comparison, DurationFigures, Figure};
use crate::launches::Launch;

/// Steady inferences from their input to their answer, by the sandbox's
/// monotonic clock; of an application with tasks, over all of them together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// Making the network's input of the picture: median over launches of each
    /// launch's median.
    pub prepare_median_ns: Figure,
    /// Making sense of the network's output: likewise.
    pub interpret_median_ns: Figure,
    /// Preparation, inference and interpretation, added for each inference.
    pub whole: DurationFigures,
    /// The whole against the baseline's.
    pub comparison: Comparison,
}

/// One task of an application that consists of several, from its input to its
/// answer: preparation, inference and interpretation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskFigures {
    /// Its name.
    pub task: String,
    /// Over steady inferences.
    pub whole: DurationFigures,
}

/// Of durations in nanoseconds, one slice per launch.
pub(crate) fn durations<'a>(launches: impl Iterator<Item = &'a [f64]>) -> DurationFigures {
    let launches: Vec<&[f64]> = launches.collect();
    let pooled = launches.concat();
    DurationFigures {
        median_ns: median_of_medians(launches.into_iter()),
        pooled_median_ns: isolde_stats::median(&pooled).into(),
        p95_ns: isolde_stats::tail_quantile(&pooled, 0.95).into(),
        p99_ns: isolde_stats::tail_quantile(&pooled, 0.99).into(),
        sd_ns: isolde_stats::sample_sd(&pooled).into(),
    }
}

/// Of completed launches, and how they compare with the baseline's.
pub(crate) fn phases(launches: &[&Launch<'_>], comparison: Comparison) -> PhaseFigures {
    let prepare = launches.iter().map(|launch| launch.prepare.as_slice());
    let interpret = launches.iter().map(|launch| launch.interpret.as_slice());
    PhaseFigures {
        prepare_median_ns: median_of_medians(prepare),
        interpret_median_ns: median_of_medians(interpret),
        whole: durations(launches.iter().map(|launch| launch.whole.as_slice())),
        comparison,
    }
}

/// Of completed launches; empty where an inference is one task.
pub(crate) fn tasks(launches: &[&Launch<'_>]) -> Vec<TaskFigures> {
    let names = launches.first().map_or(&[][..], |launch| &launch.record.tasks);
    let figures = names.iter().map(|name| TaskFigures {
        task: name.clone(),
        whole: durations(launches.iter().map(|launch| launch.task(name))),
    });
    figures.collect()
}

/// Every launch counts the same, however many inferences it has.
fn median_of_medians<'a>(launches: impl Iterator<Item = &'a [f64]>) -> Figure {
    let medians: Vec<f64> =
        launches.filter_map(|durations| isolde_stats::median(durations).ok()).collect();
    isolde_stats::median(&medians).into()
}
