//! Running a command and passing its output and end on.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::invocation::{self, Refusal};
use super::line::AgentLine;
use super::{AgentError, Place, memory};
use crate::guest::{Ended, reap_until};
use crate::protocol::{CommandEnding, ExecJob, FromAgent};

/// How long output may still come after the command ended, for descendants
/// that keep its descriptors open.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// Runs the job, sends what came of it, and returns when the host says goodbye.
/// A host that goes away ends the command.
pub(super) fn run(mut line: AgentLine, job: &ExecJob, place: Place) -> Result<(), AgentError> {
    let kills_before = memory::oom_kills(place);
    let mut child = match invocation::spawn(&job.invocation, &[]) {
        Ok(started) => started.child,
        Err(refusal) => return refuse(line, refusal),
    };
    let writer = Arc::new(Mutex::new(line.second_writer()?));
    let (pumping, pumps) = channel();
    if let Some(stdout) = child.stdout.take() {
        pump(stdout, Arc::clone(&writer), FromAgent::Stdout, pumping.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        pump(stderr, Arc::clone(&writer), FromAgent::Stderr, pumping);
    }
    let group = Pid::from_child(&child);
    let goodbye = std::thread::spawn(move || {
        let farewell = line.await_goodbye();
        // Either the command is over or nobody is left to hear of it.
        let _ = kill_process_group(group, Signal::KILL);
        farewell
    });
    // Not `child.wait()`: as first process of a sandbox the agent inherits orphans.
    let ended = reap_until(group)?;
    // Nothing is ever sent: it returns when both have let go of their ends.
    let _ = pumps.recv_timeout(LAST_OUTPUT);
    let oom_kills = memory::oom_kills(place).saturating_sub(kills_before);
    let ending = match ended {
        Ended::Exited(status) => CommandEnding { status: Some(status), signal: None, oom_kills },
        Ended::Signalled(signal) => CommandEnding { status: None, signal: Some(signal), oom_kills },
    };
    send(&writer, &FromAgent::Exited(ending))?;
    goodbye.join().unwrap_or(Ok(()))
}

/// Ends as a shell does that cannot run a command: with words on standard
/// error and a status of its own.
fn refuse(mut line: AgentLine, refusal: Refusal) -> Result<(), AgentError> {
    let Refusal { status, reason } = refusal;
    line.send(&FromAgent::Stderr(format!("isolde: {reason}\n").into_bytes()))?;
    let ending = CommandEnding { status: Some(status), signal: None, oom_kills: 0 };
    line.send(&FromAgent::Exited(ending))?;
    line.await_goodbye()
}

fn pump(
    mut from: impl Read + Send + 'static,
    to: Arc<Mutex<File>>,
    wrap: fn(Vec<u8>) -> FromAgent,
    pumping: Sender<Infallible>,
) {
    std::thread::spawn(move || {
        let _pumping = pumping;
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            if send(&to, &wrap(chunk[..length].to_vec())).is_err() {
                return;
            }
        }
    });
}

fn send(writer: &Mutex<File>, message: &FromAgent) -> io::Result<()> {
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    message.write_to(&mut *writer)
}
