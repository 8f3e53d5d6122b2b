//! A whole experiment: every trial of the plan in its order, into a bundle.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use isolde_agent::protocol::{FromAgent, ModelJob, RunJob, ToAgent};
use isolde_backends::Backend;
use isolde_bundle::BundleWriter;
use isolde_model::{
    BundleState, EnvironmentName, Event, Failure, FailureKind, Inference, Leak, Mark, Outcome,
    OutputTensor, Plan, Source, Stage, Trial, TrialRecord,
};

use crate::check::Agreements;
use crate::exec::unexpected;
use crate::launch::{Launched, Order, Stop, Witness, launch};
use crate::provision::{Prepared, Workplace};
use crate::{Interrupt, RunError, schedule};

/// An environment that fails so often in a row will not recover by itself; its
/// time is better spent on the others.
const GIVE_UP_AFTER: u32 = 3;

/// An experiment that is ready to be run.
pub struct Experiment<'a> {
    /// The resolved plan.
    pub plan: &'a Plan,
    /// The plan's environments, each with what it needs.
    pub environments: Vec<(Box<dyn Backend>, Prepared)>,
    /// Where sandboxes are put.
    pub workplace: &'a Workplace,
    /// Where results go.
    pub bundle: BundleWriter,
}

/// How an experiment ended.
#[derive(Debug)]
pub struct Ended {
    /// How far it came.
    pub state: BundleState,
    /// Trials in the bundle.
    pub trials: usize,
    /// Those among them that failed.
    pub failed: usize,
    /// What the back ends left behind after the last launch.
    pub leaks: Vec<Leak>,
}

/// Runs the experiment and closes its bundle, whatever happens.
///
/// # Errors
/// That results can no longer be kept or sandboxes no longer be placed; what
/// was kept before stays.
pub fn run(
    experiment: Experiment<'_>,
    interrupt: &Interrupt,
    listener: &mut dyn FnMut(&Event<'_>),
) -> Result<Ended, RunError> {
    let Experiment { plan, environments, workplace, bundle } = experiment;
    let trials = schedule(plan);
    listener(&Event::RunStarted { plan, trials: trials.len() });
    let mut course = Course {
        plan,
        environments: &environments,
        workplace,
        bundle,
        interrupt,
        listener,
        began: Instant::now(),
        agreements: Agreements::default(),
        failures: BTreeMap::new(),
        trials: 0,
        failed: 0,
    };
    let state = course.run_all(&trials);
    let leaks = environments.iter().flat_map(|(backend, _)| backend.retire()).collect();
    let closed = course.bundle.close(*state.as_ref().unwrap_or(&BundleState::Open));
    let ended = Ended { state: state?, trials: course.trials, failed: course.failed, leaks };
    closed?;
    listener(&Event::RunEnded { trials: ended.trials, failed: ended.failed });
    Ok(ended)
}

struct Course<'a> {
    plan: &'a Plan,
    environments: &'a [(Box<dyn Backend>, Prepared)],
    workplace: &'a Workplace,
    bundle: BundleWriter,
    interrupt: &'a Interrupt,
    listener: &'a mut dyn FnMut(&Event<'_>),
    began: Instant,
    agreements: Agreements,
    /// Consecutive failures per environment.
    failures: BTreeMap<EnvironmentName, u32>,
    trials: usize,
    failed: usize,
}

impl Course<'_> {
    fn run_all(&mut self, trials: &[Trial]) -> Result<BundleState, RunError> {
        let mut block_began = self.began;
        for (position, trial) in trials.iter().enumerate() {
            if trial.position == 0 && position > 0 {
                if self.is_budget_spent(block_began.elapsed()) {
                    (self.listener)(&Event::BudgetSpent { blocks: trial.block });
                    return Ok(BundleState::BudgetSpent);
                }
                block_began = Instant::now();
            }
            if self.is_given_up(&trial.environment) {
                continue;
            }
            if !self.run_one(trial)? {
                (self.listener)(&Event::Interrupted);
                return Ok(BundleState::Interrupted);
            }
        }
        Ok(BundleState::Complete)
    }

    /// Whether another block like the last one would end after the budget. It
    /// depends on time alone, never on results, so stopping does not bias them.
    fn is_budget_spent(&self, last_block: Duration) -> bool {
        self.plan.budget.is_some_and(|budget| self.began.elapsed() + last_block > budget.0)
    }

    fn is_given_up(&self, environment: &EnvironmentName) -> bool {
        self.failures.get(environment).is_some_and(|count| *count >= GIVE_UP_AFTER)
    }

    /// Runs one trial into the bundle; false when the user asked to stop.
    fn run_one(&mut self, trial: &Trial) -> Result<bool, RunError> {
        let found = self.environments.iter().find(|(found, _)| found.name() == trial.environment);
        let Some((backend, prepared)) = found else { return Ok(true) };
        if self.interrupt.is_triggered() {
            return Ok(false);
        }
        (self.listener)(&Event::TrialStarted { trial });
        let emulated = prepared.is_emulated();
        let spec = self.workplace.spec(prepared, trial.index)?;
        let order = Order {
            backend: &**backend,
            job: job(self.plan, trial),
            deadlines: self.plan.deadlines,
            asked: self.workplace.asked(prepared),
            interrupt: self.interrupt,
        };
        let mut collector = Collector::new(self.plan, trial, &mut *self.listener);
        let launched = launch(&order, spec, &mut collector);
        let (inferences, outputs) = (collector.inferences, collector.outputs);
        self.workplace.tidy(trial.index).map_err(RunError::Scratch)?;
        let Some(record) = self.judge(trial, emulated, launched, &inferences, &outputs) else {
            return Ok(false);
        };
        self.bundle.write_trial(&record, &inferences, &outputs)?;
        self.count(&record);
        Ok(true)
    }

    /// Makes a record of a launch; `None` when it was interrupted.
    fn judge(
        &mut self,
        trial: &Trial,
        emulated: bool,
        launched: Launched,
        inferences: &[Inference],
        outputs: &[OutputTensor],
    ) -> Option<TrialRecord> {
        let mut agreement = None;
        let outcome = match (launched.result, &launched.inside) {
            (Err(Stop::Interrupted), _) => return None,
            (Err(Stop::Failed(failure)), _) => Outcome::Failed(failure),
            (Ok(()), facts) => {
                let facts = facts.clone().unwrap_or_default();
                let checked = self.agreements.check(self.plan, trial, &facts, inferences, outputs);
                match checked {
                    Ok(found) => {
                        agreement = Some(found);
                        leak_outcome(&launched.leaks)
                    }
                    Err(reason) => Outcome::Failed(Failure {
                        kind: FailureKind::Disagreement,
                        stage: Stage::Check,
                        reason,
                        hint: None,
                    }),
                }
            }
        };
        let console = (!outcome.is_completed()).then(|| readable(&launched.console));
        Some(TrialRecord {
            trial: trial.clone(),
            outcome,
            emulated,
            marks: launched.marks,
            reading: launched.reading,
            inside: launched.inside,
            agreement,
            leaks: launched.leaks,
            console_tail: console.filter(|text| !text.is_empty()),
        })
    }

    fn count(&mut self, record: &TrialRecord) {
        self.trials += 1;
        let environment = &record.trial.environment;
        let failures = self.failures.entry(environment.clone()).or_default();
        if record.outcome.is_completed() {
            *failures = 0;
        } else {
            *failures += 1;
            self.failed += 1;
        }
        let failures = *failures;
        (self.listener)(&Event::TrialEnded { record, elapsed: self.began.elapsed() });
        if failures == GIVE_UP_AFTER {
            (self.listener)(&Event::EnvironmentGivenUp { environment, failures });
        }
    }
}

fn job(plan: &Plan, trial: &Trial) -> ToAgent {
    ToAgent::Run(RunJob {
        application: trial.application.clone(),
        warm_up: plan.warm_up,
        inferences: plan.inferences,
        threads: plan.resources.threads,
        model: model_job(plan, trial),
    })
}

fn model_job(plan: &Plan, trial: &Trial) -> Option<ModelJob> {
    match plan.sources.get(&trial.application) {
        Some(Source::Model(model)) => {
            Some(ModelJob { pictures: model.pictures, input: model.input.clone() })
        }
        _ => None,
    }
}

/// A launch that left something behind did its work but is no clean launch.
fn leak_outcome(leaks: &[Leak]) -> Outcome {
    match leaks.first() {
        None => Outcome::Completed,
        Some(leak) => Outcome::Failed(Failure {
            kind: FailureKind::Leak,
            stage: Stage::TearDown,
            reason: format!("{}: {}", leak.what, leak.detail),
            hint: Some("isolde clean".into()),
        }),
    }
}

/// Console bytes as text that is safe to show.
fn readable(console: &[u8]) -> String {
    String::from_utf8_lossy(console)
        .chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
        .collect()
}

/// Collects a launch's samples, no more than planned.
struct Collector<'a> {
    trial: &'a Trial,
    planned: usize,
    listener: &'a mut dyn FnMut(&Event<'_>),
    inferences: Vec<Inference>,
    outputs: Vec<OutputTensor>,
}

impl<'a> Collector<'a> {
    fn new(plan: &Plan, trial: &'a Trial, listener: &'a mut dyn FnMut(&Event<'_>)) -> Self {
        let planned = plan.warm_up as usize + plan.inferences as usize;
        Self { trial, planned, listener, inferences: Vec::new(), outputs: Vec::new() }
    }
}

impl Witness for Collector<'_> {
    fn marked(&mut self, mark: Mark) {
        (self.listener)(&Event::MarkPassed { trial: self.trial, mark });
    }

    fn received(&mut self, message: FromAgent) -> Result<(), Failure> {
        match message {
            FromAgent::Inferences(inferences) if inferences.iter().all(is_possible) => {
                self.inferences.extend(inferences);
            }
            FromAgent::Output(output) if !output.values.is_empty() => self.outputs.push(output),
            _ => return Err(unexpected()),
        }
        // One output per input at most: never more than inferences.
        let too_many = self.inferences.len() > self.planned || self.outputs.len() > self.planned;
        if too_many { Err(unexpected()) } else { Ok(()) }
    }
}

/// Whether an agent could have measured it: a digest has 16 digits, and 2^63 ns
/// are 292 years, more than a bundle can keep.
fn is_possible(inference: &Inference) -> bool {
    let Inference { prepare_ns, infer_ns, interpret_ns, output_digest, .. } = inference;
    let durations = [prepare_ns, infer_ns, interpret_ns];
    output_digest.len() == 16 && durations.iter().all(|&&time| i64::try_from(time).is_ok())
}

#[cfg(test)]
#[path = "run_tests.rs"]
pub(crate) mod tests;
