//! A whole experiment: every trial of the plan in its order, into a bundle.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use isolde_agent::protocol::{Invocation, ModelJob, RunJob, ToAgent};
use isolde_backends::Backend;
use isolde_bundle::BundleWriter;
use isolde_model::{
    Agreement, BundleState, ByteSize, Deadlines, EnvironmentName, Event, Failure, FailureKind,
    Leak, Outcome, Plan, ProgramSource, Source, Span, Stage, Trial, TrialRecord,
};

use crate::check::{Agreements, ProgramAgreements};
use crate::collect::{Collector, Samples, tasks};
use crate::launch::{Launched, Order, Stop, launch};
use crate::provision::{Prepared, Workplace};
use crate::{Interrupt, RunError, program, schedule};

/// What fails so often in a row will not recover by itself; its time is better spent on
/// the others.
const GIVE_UP_AFTER: u32 = 3;

/// What each application needs in one environment.
pub type Roots = BTreeMap<String, Prepared>;

/// An experiment that is ready to be run.
pub struct Experiment<'a> {
    /// The resolved plan.
    pub plan: &'a Plan,
    /// The plan's environments, each with what its applications need.
    pub environments: Vec<(Box<dyn Backend>, Roots)>,
    /// How each program of the plan's sources is run.
    pub invocations: BTreeMap<String, Invocation>,
    /// Memory that would do for an application, where that is known: what is advised
    /// when a sandbox runs out of it.
    pub enough_memory: BTreeMap<String, ByteSize>,
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
    let Experiment { plan, environments, invocations, enough_memory, workplace, bundle } =
        experiment;
    let trials = schedule(plan);
    listener(&Event::RunStarted { plan, trials: trials.len() });
    let mut course = Course {
        plan,
        environments: &environments,
        invocations: &invocations,
        enough_memory: &enough_memory,
        workplace,
        bundle,
        interrupt,
        listener,
        began: Instant::now(),
        agreements: Agreements::default(),
        program_agreements: ProgramAgreements::default(),
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
    environments: &'a [(Box<dyn Backend>, Roots)],
    invocations: &'a BTreeMap<String, Invocation>,
    enough_memory: &'a BTreeMap<String, ByteSize>,
    workplace: &'a Workplace,
    bundle: BundleWriter,
    interrupt: &'a Interrupt,
    listener: &'a mut dyn FnMut(&Event<'_>),
    began: Instant,
    agreements: Agreements,
    program_agreements: ProgramAgreements,
    /// Consecutive failures of each application with each number of threads in each
    /// environment: one that fails must not take others with it, nor be kept by them.
    failures: BTreeMap<Cell, u32>,
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
            if self.is_given_up(trial) {
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

    fn is_given_up(&self, trial: &Trial) -> bool {
        self.failures.get(&cell(trial)).is_some_and(|count| *count >= GIVE_UP_AFTER)
    }

    /// Runs one trial into the bundle; false when the user asked to stop.
    fn run_one(&mut self, trial: &Trial) -> Result<bool, RunError> {
        let found = self.environments.iter().find(|(found, _)| found.name() == trial.environment);
        let Some((backend, roots)) = found else { return Ok(true) };
        let Some(prepared) = roots.get(&trial.application) else { return Ok(true) };
        if self.interrupt.is_triggered() {
            return Ok(false);
        }
        (self.listener)(&Event::TrialStarted { trial });
        let spec = self.workplace.spec(prepared, trial.index)?;
        let order = Order {
            backend: &**backend,
            job: self.job(trial),
            deadlines: self.deadlines(trial),
            asked: self.workplace.asked(prepared),
            enough_memory: self.enough_memory.get(&trial.application).copied(),
            interrupt: self.interrupt,
        };
        let program = program_of(self.plan, trial);
        let mut collector = Collector::new(self.plan, trial, program, &mut *self.listener);
        let launched = launch(&order, spec, &mut collector);
        let mut samples = collector.samples;
        self.workplace.tidy(trial.index).map_err(RunError::Scratch)?;
        let emulated = prepared.is_emulated();
        let Some(record) = self.judge(trial, emulated, launched, &mut samples) else {
            return Ok(false);
        };
        self.bundle.write_trial(&record, &samples.inferences, &samples.outputs)?;
        self.count(&record);
        Ok(true)
    }

    fn job(&self, trial: &Trial) -> ToAgent {
        let invocation = self.invocations.get(&trial.application);
        match (program_of(self.plan, trial), invocation) {
            (Some(source), Some(invocation)) => {
                ToAgent::Program(program::job(self.plan, trial, source, invocation))
            }
            _ => job(self.plan, trial),
        }
    }

    fn deadlines(&self, trial: &Trial) -> Deadlines {
        let mut deadlines = self.plan.deadlines;
        if program_of(self.plan, trial).is_some() {
            deadlines.job = Span(deadlines.job.0 + program::AGENT_PATIENCE);
        }
        deadlines
    }

    /// Makes a record of a launch; `None` when it was interrupted.
    fn judge(
        &mut self,
        trial: &Trial,
        emulated: bool,
        launched: Launched,
        samples: &mut Samples,
    ) -> Option<TrialRecord> {
        if let Some(facts) = &mut samples.program {
            program::tidy(facts, &mut samples.inferences);
        }
        let (outcome, agreement) = match &launched.result {
            Err(Stop::Interrupted) => return None,
            Err(Stop::Failed(failure)) => (Outcome::Failed(failure.clone()), None),
            Ok(()) => match self.check(trial, &launched, samples) {
                Ok(agreement) => (leak_outcome(&launched.leaks), agreement),
                Err(failure) => (Outcome::Failed(failure), None),
            },
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
            tasks: tasks(self.plan, trial).iter().map(|task| (*task).to_owned()).collect(),
            program: samples.program.take(),
        })
    }

    /// Whether a launch that came to its end did what it was asked, and how its
    /// outputs agree with those of the others.
    fn check(
        &mut self,
        trial: &Trial,
        launched: &Launched,
        samples: &Samples,
    ) -> Result<Option<Agreement>, Failure> {
        let wrong = |kind| move |reason| Failure { kind, stage: Stage::Check, reason, hint: None };
        let disagreement = wrong(FailureKind::Disagreement);
        let inside = launched.inside.clone().unwrap_or_default();
        let Samples { inferences, outputs, program } = samples;
        let Some(source) = program_of(self.plan, trial) else {
            let found = self.agreements.check(self.plan, trial, &inside, inferences, outputs);
            return found.map(Some).map_err(disagreement);
        };
        let Some(facts) = program else {
            let reason = "the agent did not say how the program ended".to_owned();
            return Err(wrong(FailureKind::Protocol)(reason));
        };
        let plan = self.plan;
        let (limit, memory) = (plan.deadlines.job, plan.resources.memory);
        let terms = program::Terms { source, limit, memory };
        if let Some(failure) = program::failure(facts, &terms, launched.reading.as_ref()) {
            return Err(failure);
        }
        program::check_whole(facts, inferences).map_err(wrong(FailureKind::Protocol))?;
        let agreements = &mut self.program_agreements;
        agreements.check(trial, &inside, facts, inferences, outputs).map_err(disagreement)
    }

    fn count(&mut self, record: &TrialRecord) {
        self.trials += 1;
        let environment = &record.trial.environment;
        let failures = self.failures.entry(cell(&record.trial)).or_default();
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

/// What is run again in every block.
type Cell = (EnvironmentName, String, u32);

fn cell(trial: &Trial) -> Cell {
    (trial.environment.clone(), trial.application.clone(), trial.threads)
}

/// The program that a trial is of, if it is one of the user's.
fn program_of<'a>(plan: &'a Plan, trial: &Trial) -> Option<&'a ProgramSource> {
    match plan.sources.get(&trial.application) {
        Some(Source::Program(source)) => Some(source),
        _ => None,
    }
}

fn job(plan: &Plan, trial: &Trial) -> ToAgent {
    ToAgent::Run(RunJob {
        application: trial.application.clone(),
        warm_up: plan.warm_up,
        inferences: plan.inferences,
        threads: trial.threads,
        model: model_job(plan, trial),
    })
}

fn model_job(plan: &Plan, trial: &Trial) -> Option<ModelJob> {
    match plan.sources.get(&trial.application) {
        Some(Source::Model(model)) => {
            Some(ModelJob { count: model.count, input: model.input.clone() })
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

#[cfg(test)]
#[path = "run_tests.rs"]
pub(crate) mod tests;
