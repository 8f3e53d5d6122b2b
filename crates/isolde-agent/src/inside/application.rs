//! Running an application and timing its phases.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use isolde_apps::{
    AppError, Application, Choice, ChoiceError, NETWORKS_IN_SANDBOX, Threads, sample, user_model,
};
use isolde_model::{Inference, Mark, OutputTensor, Phase, TaskTime};

use super::line::AgentLine;
use crate::output_digest;
use crate::protocol::{FromAgent, RunJob};

/// Inferences are sent together, between inferences and never within one: a
/// message wakes the host, which may want the same CPU.
const BATCH: usize = 256;
/// But not later than this, so that little is lost if the sandbox dies.
const BATCH_AGE: Duration = Duration::from_millis(250);

/// Runs the job and sends what came of it; [`FromAgent::Finished`] or
/// [`FromAgent::Failed`] is the last message.
pub(super) fn run(line: &mut AgentLine, job: &RunJob) -> io::Result<()> {
    let last = match attempt(line, job) {
        Ok(()) => FromAgent::Finished,
        Err(Stop::Line(error)) => return Err(error),
        Err(Stop::Job(reason)) => FromAgent::Failed { reason },
    };
    line.send(&last)
}

/// Why a job ends early.
enum Stop {
    Line(io::Error),
    Job(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Line(error)
    }
}

impl From<AppError> for Stop {
    fn from(error: AppError) -> Self {
        Self::Job(chain(&error))
    }
}

/// An error with its causes, as one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn attempt(line: &mut AgentLine, job: &RunJob) -> Result<(), Stop> {
    let inputs = count_inputs(job)?;
    line.tell_clock()?;
    line.send(&FromAgent::Passed(Mark::ApplicationStarted))?;
    let threads = Threads::new(job.threads);
    let application = load(job, &threads)?;
    line.send(&FromAgent::Passed(Mark::ModelLoaded))?;
    let mut work = Work { line, application, inputs, batch: Vec::new(), sent: Instant::now() };
    threads.run(|| work.infer_all(job))
}

fn choice(job: &RunJob) -> Result<Choice, Stop> {
    job.application.parse().map_err(|error: ChoiceError| Stop::Job(error.to_string()))
}

fn count_inputs(job: &RunJob) -> Result<u32, Stop> {
    let inputs = match &job.model {
        Some(model) => model.count,
        None => (choice(job)?.description.inputs)(),
    };
    Ok(inputs.max(1))
}

fn load(job: &RunJob, threads: &Threads) -> Result<Box<dyn Application>, Stop> {
    Ok(match &job.model {
        // Relative to the folder the agent was started in, the sandbox's root.
        Some(model) => {
            let inputs: Vec<_> = (0..model.count).map(user_model::input_in_sandbox).collect();
            let network = Path::new(user_model::MODEL_IN_SANDBOX);
            user_model::load(network, &inputs, &model.input, threads)?
        }
        None => choice(job)?.load(Path::new(NETWORKS_IN_SANDBOX), threads)?,
    })
}

struct Work<'a> {
    line: &'a mut AgentLine,
    application: Box<dyn Application>,
    inputs: u32,
    batch: Vec<Inference>,
    sent: Instant,
}

impl Work<'_> {
    fn infer_all(&mut self, job: &RunJob) -> Result<(), Stop> {
        let mut outputs = Vec::new();
        let mut seen = BTreeSet::new();
        for index in 0..job.warm_up.saturating_add(job.inferences) {
            let phase = if index < job.warm_up { Phase::WarmUp } else { Phase::Steady };
            let input = index % self.inputs;
            self.batch.push(time_inference(&mut *self.application, index, phase, input)?);
            if index == 0 {
                self.line.send(&FromAgent::Passed(Mark::FirstInference))?;
            }
            if seen.insert(input) {
                let values = sample(self.application.output(), self.inputs);
                outputs.push(OutputTensor { input, values });
            }
            if self.batch.len() >= BATCH || self.sent.elapsed() >= BATCH_AGE {
                self.send_batch()?;
            }
        }
        // Before what may take long to be sent.
        self.line.tell_clock()?;
        self.send_batch()?;
        for output in outputs {
            self.line.send(&FromAgent::Output(output))?;
        }
        Ok(())
    }

    fn send_batch(&mut self) -> io::Result<()> {
        let inferences = std::mem::take(&mut self.batch);
        self.line.send(&FromAgent::Inferences(inferences))?;
        self.sent = Instant::now();
        Ok(())
    }
}

fn time_inference(
    application: &mut dyn Application,
    index: u32,
    phase: Phase,
    input: u32,
) -> Result<Inference, AppError> {
    let tasks = application.tasks().len();
    let mut times = Vec::with_capacity(tasks);
    let mut label = 0;
    for task in 0..tasks.max(1) {
        let started = Instant::now();
        application.prepare(input, task)?;
        let prepared = Instant::now();
        application.infer(task)?;
        let inferred = Instant::now();
        label = application.interpret(task)?;
        let interpreted = Instant::now();
        times.push(TaskTime {
            prepare_ns: nanoseconds(prepared - started),
            infer_ns: nanoseconds(inferred - prepared),
            interpret_ns: nanoseconds(interpreted - inferred),
        });
    }
    let total = |part: fn(&TaskTime) -> u64| times.iter().map(part).sum();
    Ok(Inference {
        index,
        phase,
        input,
        prepare_ns: total(|time| time.prepare_ns),
        infer_ns: total(|time| time.infer_ns),
        interpret_ns: total(|time| time.interpret_ns),
        label,
        output_digest: output_digest(application.output()),
        tasks: if tasks == 0 { Vec::new() } else { times },
    })
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
