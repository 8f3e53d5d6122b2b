//! What a bundle says, as plain data. Printed as JSON it is an interface:
//! fields are added, never renamed, under the same schema number.

use isolde_bundle::{Bundle, BundleError};
use isolde_model::{
    BundleState, FailureKind, HostFacts, Outcome, Plan, Readiness, SCHEMA_VERSION, Stage,
    TrialRecord,
};
use serde::{Deserialize, Serialize};

use crate::figures::Row;
use crate::launches::Launch;
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
    /// Threads of the inference engine.
    #[serde(default)]
    pub threads: u32,
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
                && group.threads == trial.threads
                && group.environment == trial.environment.as_str()
                && (group.kind, group.stage) == (failure.kind, failure.stage)
                && group.reason == failure.reason
                && group.hint == failure.hint
        });
        match alike {
            Some(group) => group.trials.push(trial.index),
            None => groups.push(FailureGroup {
                application: trial.application.clone(),
                threads: trial.threads,
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
