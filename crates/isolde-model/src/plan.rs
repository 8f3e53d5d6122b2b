//! What a run is asked to do.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ByteSize, EnvironmentName, ProgramSource, Source, Span, ThreadCounts};

/// A resolved plan: with the program's version and the host it determines a run,
/// down to the order of its trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// See [`crate::SCHEMA_VERSION`].
    pub schema: u32,
    /// The preset that the plan started from.
    pub preset: Preset,
    /// Seed of the trials' order and of every resampling.
    pub seed: u64,
    /// What runs: an application's name, or `NAME:reference` for its reference size.
    pub applications: Vec<String>,
    /// How it is isolated; the order here has no meaning.
    pub environments: Vec<EnvironmentName>,
    /// Launches per application, number of threads and environment, that is: blocks.
    pub launches: u32,
    /// Steady inferences per launch.
    pub inferences: u32,
    /// Inferences at the start of each launch that are kept apart.
    pub warm_up: u32,
    /// The environment that the others are compared with.
    pub baseline: EnvironmentName,
    /// Whether emulated environments enter comparisons.
    pub include_emulated: bool,
    /// Release of the guest kernel; without, the newest that all environments can boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// No new block is begun that would not end within this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Span>,
    /// What every sandbox gets.
    pub resources: Resources,
    /// How long each part of a launch may take.
    pub deadlines: Deadlines,
    /// The applications among them that the user brings, by name; the others
    /// are Isolde's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, Source>,
}

/// What every sandbox gets, the same in each environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPUs: a cpuset for processes and containers, vCPUs within the same cpuset for VMs.
    pub cpus: u32,
    /// Memory limit of processes and containers, memory of VMs.
    pub memory: ByteSize,
    /// Threads of the inference engine.
    pub threads: ThreadCounts,
}

/// How long each part of a launch may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// From the request to the agent's greeting.
    pub start: Span,
    /// From the greeting to the last inference.
    pub job: Span,
    /// From there to the sandbox's end.
    pub exit: Span,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            start: Span(Duration::from_secs(60)),
            job: Span(Duration::from_secs(300)),
            exit: Span(Duration::from_secs(20)),
        }
    }
}

/// Named starting points of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// A first answer in about two minutes.
    Quick,
    /// Enough launches for a figure to be quoted.
    Full,
}

impl FromStr for Preset {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        match text {
            "quick" => Ok(Self::Quick),
            "full" => Ok(Self::Full),
            _ => Err(PlanError::UnknownPreset(text.to_owned())),
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quick => "quick",
            Self::Full => "full",
        })
    }
}

/// A plan that cannot be run anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A count that must be positive is zero.
    #[error("{what} is 0: {hint}")]
    Zero {
        /// The count.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A count is too large to be meant.
    #[error("{what} is {count}, more than {limit}: a plan of that size would not end")]
    TooMany {
        /// The count.
        what: &'static str,
        /// What was asked for.
        count: u32,
        /// The largest allowed.
        limit: u32,
    },
    /// The same name twice.
    #[error("`{0}` is named twice")]
    Twice(String),
    /// A preset that does not exist.
    #[error("unknown preset `{0}`: there are quick and full")]
    UnknownPreset(String),
    /// More engine threads than CPUs.
    #[error(
        "{threads} threads on {cpus} CPUs would queue for them: lower --threads or raise --cpus"
    )]
    TooManyThreads {
        /// Threads asked for.
        threads: u32,
        /// CPUs asked for.
        cpus: u32,
    },
    /// A schema that this program does not know.
    #[error("the plan has schema {found}, this program reads schema {known}")]
    Schema {
        /// The plan's.
        found: u32,
        /// This program's.
        known: u32,
    },
    /// A baseline that the plan does not run.
    #[error(
        "the baseline `{0}` is not among the environments: add it with --on or choose another with --baseline"
    )]
    BaselineNotRun(EnvironmentName),
}

/// Largest number of launches per environment or inferences per launch.
const LARGEST_COUNT: u32 = 1_000_000;

impl Plan {
    /// Checks what can be checked without a host.
    ///
    /// # Errors
    /// The first reason why no host could run this plan.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.schema != crate::SCHEMA_VERSION {
            let known = crate::SCHEMA_VERSION;
            return Err(PlanError::Schema { found: self.schema, known });
        }
        check_count("the number of launches", self.launches, "give --launches 1 or more")?;
        check_count("the number of inferences", self.inferences, "give --inferences 1 or more")?;
        check_count("the number of CPUs", self.resources.cpus, "give --cpus 1 or more")?;
        let threads = self.resources.threads.as_slice();
        for &count in threads.iter().chain(threads.is_empty().then_some(&0)) {
            check_count("the number of threads", count, "give --threads 1 or more")?;
        }
        if self.warm_up > LARGEST_COUNT {
            let (what, limit) = ("the number of warm-up inferences", LARGEST_COUNT);
            return Err(PlanError::TooMany { what, count: self.warm_up, limit });
        }
        let (threads, cpus) = (self.resources.threads.most(), self.resources.cpus);
        if threads > cpus {
            return Err(PlanError::TooManyThreads { threads, cpus });
        }
        for source in self.sources.values() {
            if let Source::Program(ProgramSource { inferences: Some(count), .. }) = source {
                check_count("the number of inferences", *count, "give --inferences 1 or more")?;
            }
        }
        check_unique(self.environments.iter().map(EnvironmentName::as_str))?;
        check_unique(self.applications.iter().map(String::as_str))?;
        let threads: Vec<String> =
            self.resources.threads.as_slice().iter().map(ToString::to_string).collect();
        check_unique(threads.iter().map(String::as_str))?;
        if !self.environments.contains(&self.baseline) {
            return Err(PlanError::BaselineNotRun(self.baseline.clone()));
        }
        Ok(())
    }
}

fn check_count(what: &'static str, count: u32, hint: &'static str) -> Result<(), PlanError> {
    match count {
        0 => Err(PlanError::Zero { what, hint }),
        _ if count > LARGEST_COUNT => Err(PlanError::TooMany { what, count, limit: LARGEST_COUNT }),
        _ => Ok(()),
    }
}

fn check_unique<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), PlanError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(PlanError::Twice(name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            schema: crate::SCHEMA_VERSION,
            preset: Preset::Quick,
            seed: 1,
            applications: vec!["road-sign".into()],
            environments: vec![EnvironmentName::new("process"), EnvironmentName::new("vm")],
            launches: 3,
            inferences: 10,
            warm_up: 2,
            baseline: EnvironmentName::new("process"),
            include_emulated: false,
            kernel: None,
            budget: None,
            resources: Resources { cpus: 2, memory: ByteSize::mebibytes(256), threads: 1.into() },
            deadlines: Deadlines::default(),
            sources: BTreeMap::new(),
        }
    }

    #[test]
    fn a_sound_plan_passes_and_survives_toml() {
        let plan = plan();
        assert_eq!(plan.check(), Ok(()));
        let text = toml::to_string(&plan).unwrap();
        assert_eq!(toml::from_str::<Plan>(&text).unwrap(), plan);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let text = toml::to_string(&plan()).unwrap().replace("seed = 1", "seed = 1\nsede = 2");
        assert!(toml::from_str::<Plan>(&text).unwrap_err().to_string().contains("sede"));
    }

    #[test]
    fn what_cannot_run_is_refused_with_its_reason() {
        type Spoil = fn(&mut Plan);
        let cases: [(Spoil, &str); 8] = [
            (|plan| plan.launches = 0, "launches"),
            (|plan| plan.inferences = 0, "inferences"),
            (|plan| plan.resources.threads = 3.into(), "threads"),
            (|plan| plan.resources.threads = vec![].into(), "threads"),
            (|plan| plan.resources.threads = vec![1, 2, 1].into(), "twice"),
            (|plan| plan.environments.push(EnvironmentName::new("vm")), "twice"),
            (|plan| plan.baseline = EnvironmentName::new("docker"), "baseline"),
            (|plan| plan.schema = 99, "schema"),
        ];
        for (spoil, word) in cases {
            let mut plan = plan();
            spoil(&mut plan);
            let message = plan.check().unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
