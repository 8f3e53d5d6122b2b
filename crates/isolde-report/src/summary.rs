//! What a bundle says, as plain data. Printed as JSON it is an interface:
//! fields are added, never renamed, under the same schema number.

use isolde_bundle::{Bundle, BundleError};
use isolde_model::{
    BundleState, FailureKind, HostFacts, Outcome, Plan, Readiness, SCHEMA_VERSION, Stage,
    TrialRecord,
};
use serde::{Deserialize, Serialize};

use crate::latency::LatencyFigures;
use crate::launches::Launch;
use crate::program::ProgramFigures;
use crate::row::rows;

/// What a bundle says. Text in it is as it came: [`crate::printable`] before printing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// See [`SCHEMA_VERSION`].
    pub schema: u32,
    /// The bundle's folder.
    pub bundle: String,
    /// Version of the program that made the run.
    pub isolde: String,
    /// Start of the run, RFC 3339, UTC.
    pub started: String,
    /// How far the run came.
    pub state: BundleState,
    /// Launches that the plan asks for in all rows.
    pub planned_launches: u64,
    /// Launches in the bundle.
    pub launches: usize,
    /// Those among them that failed.
    pub failed_launches: usize,
    /// The device.
    pub host: HostFacts,
    /// The resolved plan.
    pub plan: Plan,
    /// One for each application, number of threads and environment of the plan, in this order,
    /// the baseline first and emulated environments last.
    pub rows: Vec<Row>,
    /// Environments that could not run.
    pub unavailable: Vec<Unavailable>,
    /// Failures, equal ones together.
    pub failures: Vec<FailureGroup>,
    /// What launches left on the host, as `kind: which and why`.
    pub leaks: Vec<String>,
}

/// One application in one environment. Figures are of completed launches only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What ran.
    pub application: String,
    /// Threads of the inference engine.
    #[serde(default)]
    pub threads: u32,
    /// How it was isolated.
    pub environment: String,
    /// The technology and its version.
    pub version: Option<String>,
    /// What the user should know of this environment although it works.
    pub note: Option<String>,
    /// True where the CPU was emulated.
    pub emulated: bool,
    /// The kernel that its launches ran on, where they told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<SeenKernel>,
    /// Launches that the plan asks for.
    pub planned: u32,
    /// Launches that completed.
    pub completed: usize,
    /// Launches that failed.
    pub failed: usize,
    /// True where the rest of its launches was dropped after repeated failures.
    pub given_up: bool,
    /// Steady inferences of all completed launches.
    pub steady_inferences: usize,
    /// How long the network took.
    pub inference: InferenceFigures,
    /// How long it took from an input to its answer; `None` of a program of the user's,
    /// which tells one duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyFigures>,
    /// What a launch costs.
    pub launch: LaunchFigures,
    /// Against the plan's baseline.
    pub comparison: Comparison,
    /// How its outputs agreed with the others', where that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
    /// The environment whose outputs all of its launches gave, bit for bit; it may be
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// How its launches went, where it is a program of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramFigures>,
}

/// The kernel that launches ran on, as they told from inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenKernel {
    /// Its release; several where launches differed, separated by commas.
    pub release: String,
    /// Whether it was a guest's own, not the host's.
    pub own: bool,
}

/// A figure, or why it cannot be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// The figure in the unit of its field's name.
    Value(f64),
    /// Why there is none.
    Untold(String),
}

impl Figure {
    /// The figure, if there is one.
    #[must_use]
    pub const fn value(&self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Untold(_) => None,
        }
    }
}

impl Default for Figure {
    fn default() -> Self {
        Self::Untold("not in this summary".into())
    }
}

impl From<Result<f64, isolde_stats::Untold>> for Figure {
    fn from(result: Result<f64, isolde_stats::Untold>) -> Self {
        match result {
            Ok(value) => Self::Value(value),
            Err(why) => Self::Untold(why.to_string()),
        }
    }
}

/// How long the network took (`infer_ns`, the sandbox's monotonic clock), over
/// steady inferences: warm-up, preparing inputs and interpreting outputs are
/// not in it. Of a program of the user's, what it told, or see
/// [`ProgramFigures::timings`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InferenceFigures {
    /// Median over launches of each launch's median: every launch counts the
    /// same. Ratios are made of this one.
    pub median_ns: Figure,
    /// Median over all steady inferences of all launches together.
    pub pooled_median_ns: Figure,
    /// 95th percentile over all steady inferences of all launches together.
    pub p95_ns: Figure,
    /// 99th percentile over the same.
    pub p99_ns: Figure,
    /// Standard deviation (n − 1) over the same.
    pub sd_ns: Figure,
}

/// What a launch costs: medians over launches, each figure by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchFigures {
    /// From the request to the first inference's end, by the host's clock; of a
    /// program that gives a sign of readiness, to that.
    pub cold_start_ns: Figure,
    /// The part of it until the agent's first byte arrived; as in `start`.
    pub agent_up_ns: Figure,
    /// The steps of a launch's start and end.
    #[serde(default)]
    pub start: StartFigures,
    /// CPU time of everything in the sandbox's cgroup and of the daemons that
    /// worked for it, from the request to the end.
    pub cpu_ns: Figure,
    /// The daemons' part of it.
    pub daemon_cpu_ns: Figure,
    /// Names of these daemons.
    pub daemons: Vec<String>,
    /// Largest memory charged to the sandbox's cgroup, page cache included.
    pub memory_peak_bytes: Figure,
}

/// When a launch passed its marks, by the host's clock: medians over launches, each
/// by itself, so they need not add up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StartFigures {
    /// From the request until what isolates ran: a process, a container's init, a
    /// VMM's virtual CPUs.
    pub sandbox_started_ns: Figure,
    /// From the request until the guest's kernel started its clock; untold where the
    /// kernel is the host's, or was restored.
    pub kernel_entered_ns: Figure,
    /// From the request to the agent's first byte.
    pub agent_up_ns: Figure,
    /// From the request until the application was about to be loaded.
    pub application_started_ns: Figure,
    /// From the request until the model was in memory.
    pub model_loaded_ns: Figure,
    /// From the request to the end of the first inference.
    pub first_inference_ns: Figure,
    /// From the end of the work until the sandbox's end was seen.
    pub exit_ns: Figure,
    /// From that until nothing of it was left on the host.
    pub tear_down_ns: Figure,
}

/// A row against the plan's baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Comparison {
    /// This is the baseline.
    Baseline,
    /// The ratio of the two medians: above 1, this one takes longer.
    Compared {
        /// Of launch medians, over the blocks in which both completed.
        ratio: f64,
        /// 95 % interval; `None` where it cannot be told.
        interval: Option<[f64; 2]>,
        /// Why there is no interval.
        interval_untold: Option<String>,
        /// Blocks in which both completed.
        blocks: usize,
    },
    /// Not compared.
    LeftOut {
        /// For programs.
        reason: LeftOut,
        /// For people.
        why: String,
    },
}

/// Why a row is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// Its CPU was emulated.
    Emulated,
    /// The baseline's CPU was emulated.
    BaselineEmulated,
    /// No block in which both completed, or a median of zero.
    NoRatio,
}

/// An environment that could not run on the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unavailable {
    /// Which one.
    pub environment: String,
    /// What was missing.
    pub what: String,
    /// What brings it.
    pub hint: String,
}

/// Launches that failed in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureGroup {
    /// What ran.
    pub application: String,
    /// How it was isolated.
    pub environment: String,
    /// The kind, stable for programs.
    pub kind: FailureKind,
    /// During which part of the launch.
    pub stage: Stage,
    /// The cause in words.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Indexes of these launches' trials.
    pub trials: Vec<u32>,
}

impl Summary {
    /// Works a bundle's figures out. Reads every completed launch's inferences.
    ///
    /// # Errors
    /// A file of the bundle is damaged or cannot be read.
    pub fn of(bundle: &Bundle) -> Result<Self, BundleError> {
        let (header, plan) = (bundle.header(), bundle.plan());
        let records = bundle.trials()?;
        let launches = records
            .iter()
            .filter(|record| record.outcome.is_completed())
            .map(|record| Launch::read(bundle, record))
            .collect::<Result<Vec<_>, _>>()?;
        let failures = failures(&records);
        let rows = rows(bundle, &records, &launches);
        Ok(Self {
            schema: SCHEMA_VERSION,
            bundle: bundle.path().display().to_string(),
            isolde: header.isolde.clone(),
            started: header.started.clone(),
            state: header.state,
            planned_launches: rows.iter().map(|row| u64::from(row.planned)).sum(),
            launches: records.len(),
            failed_launches: failures.iter().map(|group| group.trials.len()).sum(),
            host: bundle.host().clone(),
            plan: plan.clone(),
            rows,
            unavailable: unavailable(bundle),
            failures,
            leaks: leaks(&records),
        })
    }
}

fn unavailable(bundle: &Bundle) -> Vec<Unavailable> {
    let missing = bundle.environments().iter().filter_map(|report| match &report.readiness {
        Readiness::Ready(_) => None,
        Readiness::Missing(missing) => Some((report, missing)),
    });
    missing
        .map(|(report, missing)| Unavailable {
            environment: report.environment.to_string(),
            what: missing.what.clone(),
            hint: missing.hint.clone(),
        })
        .collect()
}

fn failures(records: &[TrialRecord]) -> Vec<FailureGroup> {
    let mut groups: Vec<FailureGroup> = Vec::new();
    for record in records {
        let Outcome::Failed(failure) = &record.outcome else { continue };
        let trial = &record.trial;
        let alike = groups.iter_mut().find(|group| {
            group.application == trial.application
                && group.environment == trial.environment.as_str()
                && (group.kind, group.stage) == (failure.kind, failure.stage)
                && group.reason == failure.reason
                && group.hint == failure.hint
        });
        match alike {
            Some(group) => group.trials.push(trial.index),
            None => groups.push(FailureGroup {
                application: trial.application.clone(),
                environment: trial.environment.to_string(),
                kind: failure.kind,
                stage: failure.stage,
                reason: failure.reason.clone(),
                hint: failure.hint.clone(),
                trials: vec![trial.index],
            }),
        }
    }
    groups
}

fn leaks(records: &[TrialRecord]) -> Vec<String> {
    let leaks = records.iter().flat_map(|record| {
        let environment = &record.trial.environment;
        record
            .leaks
            .iter()
            .map(move |leak| format!("{environment}: {}: {}", leak.what, leak.detail))
    });
    leaks.collect()
}
