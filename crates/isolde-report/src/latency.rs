//! From an input to its answer: all phases of an inference, and its tasks.

use serde::{Deserialize, Serialize};

use crate::launches::Launch;
use crate::summary::{Comparison, Figure};

/// How long an inference took from its input to its answer: steady inferences of
/// completed launches, by the sandbox's monotonic clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyFigures {
    /// Making the network's input; median over launches of each launch's median, as
    /// are all medians here.
    pub prepare_ns: Figure,
    /// Running the network.
    pub infer_ns: Figure,
    /// Making sense of its output.
    pub interpret_ns: Figure,
    /// All of it, of each inference.
    pub whole: Distribution,
    /// The tasks that it consists of, in their order; empty where it is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskFigures>,
    /// The whole against the plan's baseline, of an application that consists of tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// A task of each inference, with all its phases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskFigures {
    /// Its name.
    pub task: String,
    /// How long it took.
    #[serde(flatten)]
    pub time: Distribution,
}

/// How long something took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Median over launches of each launch's median.
    pub median_ns: Figure,
    /// 95th percentile over all steady inferences of all launches together.
    pub p95_ns: Figure,
    /// 99th percentile over the same.
    pub p99_ns: Figure,
}

impl Distribution {
    fn of<'a>(samples: impl Iterator<Item = &'a [f64]> + Clone) -> Self {
        let pooled: Vec<f64> = samples.clone().flatten().copied().collect();
        Self {
            median_ns: median_of_medians(samples),
            p95_ns: isolde_stats::tail_quantile(&pooled, 0.95).into(),
            p99_ns: isolde_stats::tail_quantile(&pooled, 0.99).into(),
        }
    }
}

/// Of launches of one application in one environment; `None` where they tell of one
/// phase only, as programs of the user's do.
pub(crate) fn figures(launches: &[&Launch<'_>]) -> Option<LatencyFigures> {
    let has_phases = |launch: &&Launch<'_>| launch.prepare.iter().any(|&time| time > 0.0);
    if !launches.iter().any(has_phases) {
        return None;
    }
    let names = launches.iter().map(|launch| &launch.record.tasks).max_by_key(|names| names.len());
    let tasks = names.into_iter().flatten().enumerate().map(|(place, name)| {
        let samples = launches.iter().filter_map(|launch| launch.tasks.get(place));
        TaskFigures { task: name.clone(), time: Distribution::of(samples.map(Vec::as_slice)) }
    });
    Some(LatencyFigures {
        prepare_ns: median_of_medians(launches.iter().map(|launch| launch.prepare.as_slice())),
        infer_ns: median_of_medians(launches.iter().map(|launch| launch.steady.as_slice())),
        interpret_ns: median_of_medians(launches.iter().map(|launch| launch.interpret.as_slice())),
        whole: Distribution::of(launches.iter().map(|launch| launch.whole.as_slice())),
        tasks: tasks.collect(),
        comparison: None,
    })
}

fn median_of_medians<'a>(samples: impl Iterator<Item = &'a [f64]>) -> Figure {
    let medians: Vec<f64> =
        samples.filter_map(|samples| isolde_stats::median(samples).ok()).collect();
    isolde_stats::median(&medians).into()
}
