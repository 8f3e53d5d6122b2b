//! Running a program of the user's by the application contract
//! (`docs/application-contract.md`).
//!
//! The agent shares its CPUs with the program, so it keeps out of its way: one
//! thread waits in poll(2). Until the end of the cold start every line wakes it,
//! because its arrival is stamped; afterwards, where the program tells its own
//! durations, it looks only every 20 ms.

mod contract;
mod drive;
mod inputs;
mod pipe;
mod ready;
mod stream;
mod tally;

use isolde_model::{ReadySign, Timing};

use super::invocation;
use super::line::AgentLine;
use super::{AgentError, Place, memory};
use crate::guest::Ended;
use crate::protocol::{FromAgent, ProgramJob};
use drive::{Drive, Stop};

/// Inferences in one message, which then stays far below the largest.
const BATCH: usize = 2048;

/// Runs the job, sends what came of it, and returns when the host says goodbye.
/// A host that goes away ends the program.
pub(super) fn run(mut line: AgentLine, job: &ProgramJob, place: Place) -> Result<(), AgentError> {
    let kills_before = memory::oom_kills(place);
    if let Some(port) = ready::is_taken(&job.ready) {
        let reason = format!(
            "something listens at port {port} already, so its opening would be no sign: end that \
             or choose another port"
        );
        return fail(line, reason);
    }
    line.tell_clock()?;
    line.send(&FromAgent::Passed(isolde_model::Mark::ApplicationStarted))?;
    let started = match invocation::spawn(&job.invocation, &variables(job)) {
        Ok(started) => started,
        Err(refusal) => return fail(line, refusal.reason),
    };
    let mut drive = Drive::begin(started, job)?;
    let Some(ended) = drive.follow(&mut line)? else { return Ok(()) };
    conclude(&mut line, drive, job, ended, || {
        memory::oom_kills(place).saturating_sub(kills_before)
    })?;
    line.await_goodbye()
}

fn fail(mut line: AgentLine, reason: String) -> Result<(), AgentError> {
    line.send(&FromAgent::Failed { reason })?;
    line.await_goodbye()
}

/// What the program is told. `OMP_NUM_THREADS` is what most engines and linear
/// algebra libraries heed.
fn variables(job: &ProgramJob) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("ISOLDE_WARM_UP", job.warm_up.to_string()),
        ("ISOLDE_THREADS", job.threads.to_string()),
        ("OMP_NUM_THREADS", job.threads.to_string()),
    ];
    variables.extend(job.inferences.map(|count| ("ISOLDE_INFERENCES", count.to_string())));
    variables
}

/// Sends everything that was not sent yet.
fn conclude(
    line: &mut AgentLine,
    mut drive: Drive,
    job: &ProgramJob,
    ended: Ended,
    oom_kills: impl Fn() -> u64,
) -> Result<(), AgentError> {
    line.tell_clock()?;
    let mut facts = drive.facts(ended);
    facts.oom_kills = oom_kills();
    let port_only = job.ready != ReadySign::Line && job.inferences.is_none();
    if facts.inferences == 0 {
        match port_only && drive.is_stopped_for(&Stop::Ready) {
            true => facts.timing = Timing::ColdStart,
            false => drive.add_whole(),
        }
    }
    while drive.tally.pending() > 0 {
        line.send(&FromAgent::Inferences(drive.tally.take_batch(BATCH)))?;
    }
    for output in drive.tally.take_outputs() {
        line.send(&FromAgent::Output(output))?;
    }
    line.send(&FromAgent::ProgramEnded(facts))?;
    line.send(&FromAgent::Finished)?;
    Ok(())
}
