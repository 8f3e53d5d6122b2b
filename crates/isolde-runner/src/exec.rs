//! `exec`: one command in one sandbox, its output passed on as it comes.

use std::io::Write;

use isolde_agent::protocol::{CommandEnding, ExecJob, FromAgent, ToAgent};
use isolde_backends::Backend;
use isolde_model::{Deadlines, Failure, FailureKind, Mark, MarkStamp, Reading, Stage};

use crate::launch::{Launched, Order, Stop, Witness, launch};
use crate::provision::{Prepared, Workplace};
use crate::{Interrupt, RunError};

/// A command and where its output goes.
pub struct ExecRequest<'a> {
    /// Where it runs.
    pub backend: &'a dyn Backend,
    /// What that needs.
    pub prepared: &'a Prepared,
    /// Where the sandbox is put.
    pub workplace: &'a Workplace,
    /// Number of the sandbox within the workplace.
    pub number: u32,
    /// The command.
    pub job: ExecJob,
    /// How long each part may take.
    pub deadlines: Deadlines,
    /// Takes its standard output.
    pub stdout: &'a mut dyn Write,
    /// Takes its standard error.
    pub stderr: &'a mut dyn Write,
}

/// How a command ended and what it cost.
#[derive(Debug)]
pub struct ExecResult {
    /// How it ended.
    pub ending: CommandEnding,
    /// True when the kernel killed something in the sandbox for want of memory.
    pub out_of_memory: bool,
    /// Marks of the launch.
    pub marks: Vec<MarkStamp>,
    /// What the sandbox used.
    pub reading: Option<Reading>,
}

/// Runs one command in a fresh sandbox.
///
/// # Errors
/// That the command could not be run or did not come to its end, that the user
/// asked to stop, or that something was left behind.
pub fn exec(request: ExecRequest<'_>, interrupt: &Interrupt) -> Result<ExecResult, RunError> {
    let environment = request.backend.name();
    let order = Order {
        backend: request.backend,
        job: ToAgent::Exec(request.job),
        deadlines: request.deadlines,
        asked: request.workplace.asked(request.prepared),
        enough_memory: None,
        interrupt,
    };
    let spec = request.workplace.spec(request.prepared, request.number)?;
    let mut outlet = Outlet { stdout: request.stdout, stderr: request.stderr, ending: None };
    let launched = launch(&order, spec, &mut outlet);
    request.workplace.tidy(request.number).map_err(RunError::Scratch)?;
    let failed = |failure| RunError::Exec { environment, failure };
    let ending = outlet.ending;
    let Launched { result, marks, reading, leaks, .. } = launched;
    match (result, ending) {
        (Err(Stop::Interrupted), _) => Err(RunError::Interrupted),
        (Err(Stop::Failed(failure)), _) => Err(failed(failure)),
        (Ok(()), None) => Err(failed(Failure {
            kind: FailureKind::Protocol,
            stage: Stage::Job,
            reason: "the agent did not say how the command ended".into(),
            hint: None,
        })),
        (Ok(()), Some(ending)) => match leaks.first() {
            Some(leak) => Err(failed(Failure {
                kind: FailureKind::Leak,
                stage: Stage::TearDown,
                reason: format!("{}: {}", leak.what, leak.detail),
                hint: Some("isolde clean".into()),
            })),
            None => {
                let killed = ending.oom_kills > 0
                    || reading.as_ref().is_some_and(|reading| reading.oom_kills > 0);
                Ok(ExecResult { ending, out_of_memory: killed, marks, reading })
            }
        },
    }
}

/// Passes a command's output on.
struct Outlet<'a> {
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    ending: Option<CommandEnding>,
}

impl Witness for Outlet<'_> {
    fn marked(&mut self, _mark: Mark) {}

    fn received(&mut self, message: FromAgent) -> Result<(), Failure> {
        let written = match message {
            FromAgent::Stdout(bytes) => {
                self.stdout.write_all(&bytes).and_then(|()| self.stdout.flush())
            }
            FromAgent::Stderr(bytes) => {
                self.stderr.write_all(&bytes).and_then(|()| self.stderr.flush())
            }
            FromAgent::Exited(ending) => {
                self.ending = Some(ending);
                Ok(())
            }
            _ => return Err(unexpected()),
        };
        written.map_err(|error| Failure {
            kind: FailureKind::Backend,
            stage: Stage::Job,
            reason: format!("its output cannot be passed on: {error}"),
            hint: None,
        })
    }
}

/// A message that does not belong to the job.
pub(crate) fn unexpected() -> Failure {
    Failure {
        kind: FailureKind::Protocol,
        stage: Stage::Job,
        reason: "the agent sent a message that does not belong to its job".into(),
        hint: None,
    }
}
