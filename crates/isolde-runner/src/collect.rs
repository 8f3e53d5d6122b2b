//! What a launch sends, taken as it comes and no more of it than planned.

use isolde_agent::protocol::FromAgent;
use isolde_apps::Choice;
use isolde_model::{
    Event, Failure, FailureKind, Inference, Mark, OutputTensor, Plan, ProgramFacts, ProgramSource,
    Stage, Trial,
};

use crate::exec::unexpected;
use crate::launch::Witness;
use crate::program::{MOST_INFERENCES, MOST_VALUES};

/// Names of the tasks that an inference of the trial is broken down by.
pub(crate) fn tasks(plan: &Plan, trial: &Trial) -> &'static [&'static str] {
    match trial.application.parse::<Choice>() {
        Ok(choice) if !plan.sources.contains_key(&trial.application) => choice.description.tasks,
        _ => &[],
    }
}

/// What a launch sent.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) inferences: Vec<Inference>,
    pub(crate) outputs: Vec<OutputTensor>,
    /// How a program of the user's ended.
    pub(crate) program: Option<ProgramFacts>,
}

/// Collects a launch's samples, no more than planned.
pub(crate) struct Collector<'a> {
    trial: &'a Trial,
    planned: usize,
    is_program: bool,
    /// Tasks that each inference consists of; 0 where it is one.
    tasks: usize,
    /// Values of all outputs so far.
    values: usize,
    listener: &'a mut dyn FnMut(&Event<'_>),
    pub(crate) samples: Samples,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(
        plan: &Plan,
        trial: &'a Trial,
        program: Option<&ProgramSource>,
        listener: &'a mut dyn FnMut(&Event<'_>),
    ) -> Self {
        let inferences = program.map_or(Some(plan.inferences), |program| program.inferences);
        let planned = inferences
            .map_or(MOST_INFERENCES, |inferences| plan.warm_up as usize + inferences as usize);
        let (is_program, tasks) = (program.is_some(), tasks(plan, trial).len());
        Self { trial, planned, is_program, tasks, values: 0, listener, samples: Samples::default() }
    }

    /// A program's end is the last that comes of it.
    fn take_end(&mut self, facts: ProgramFacts) -> Result<(), Failure> {
        if !self.is_program || self.samples.program.is_some() {
            return Err(unexpected());
        }
        self.samples.program = Some(facts);
        Ok(())
    }
}

impl Witness for Collector<'_> {
    fn marked(&mut self, mark: Mark) {
        (self.listener)(&Event::MarkPassed { trial: self.trial, mark });
    }

    fn received(&mut self, message: FromAgent) -> Result<(), Failure> {
        let (is_program, tasks) = (self.is_program, self.tasks);
        let samples = &mut self.samples;
        match message {
            FromAgent::ProgramEnded(facts) => return self.take_end(facts),
            FromAgent::Inferences(inferences)
                if !is_program && inferences.iter().any(|inference| inference.infer_ns == 0) =>
            {
                return Err(timeless());
            }
            FromAgent::Inferences(inferences)
                if inferences.iter().all(|inference| is_possible(inference, is_program, tasks)) =>
            {
                samples.inferences.extend(inferences);
            }
            FromAgent::Output(output) if !output.values.is_empty() => {
                self.values = self.values.saturating_add(output.values.len());
                samples.outputs.push(output);
            }
            _ => return Err(unexpected()),
        }
        // One output per input at most: never more than inferences.
        let too_many =
            samples.inferences.len() > self.planned || samples.outputs.len() > self.planned;
        let too_large = is_program && self.values > MOST_VALUES;
        if too_many || too_large { Err(unexpected()) } else { Ok(()) }
    }
}

/// No network is computed in less than a nanosecond: such a duration comes of a clock
/// that stood still or went backwards, which monotonic clocks round up to none.
fn timeless() -> Failure {
    Failure {
        kind: FailureKind::Clock,
        stage: Stage::Job,
        reason: "an inference took no time at all by the clock inside".into(),
        hint: None,
    }
}

/// Whether an agent could have measured it: as many tasks as the application has; a digest has 16 digits (of a program
/// that tells no output, none), and 2^63 ns are 292 years, more than a bundle
/// can keep.
fn is_possible(inference: &Inference, is_program: bool, tasks: usize) -> bool {
    let Inference { prepare_ns, infer_ns, interpret_ns, output_digest, .. } = inference;
    let durations = [prepare_ns, infer_ns, interpret_ns];
    let digest = output_digest.len() == 16 || (is_program && output_digest.is_empty());
    let of_tasks = inference.tasks.iter().map(|task| task.total_ns());
    let mut durations = durations.into_iter().copied().chain(of_tasks);
    digest && inference.tasks.len() == tasks && durations.all(|time| i64::try_from(time).is_ok())
}
