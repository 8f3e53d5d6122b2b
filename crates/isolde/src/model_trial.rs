//! A user's model, or a large application, is tried on the host before any sandbox
//! is made: by a process of its own, because the engine may crash on a stranger's
//! model, take all memory or never end.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use isolde_apps::{Application, Choice, Threads, user_model};
use isolde_model::ModelInput;
use isolde_runner::Interrupt;
use rustix::process::{Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, chain, tagged};

/// The argument by which this program serves as the trial.
pub(crate) const ROLE: &str = "try-model";

/// What is tried.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Trial {
    pub(crate) subject: Subject,
    /// Threads of the engine: each of them takes memory.
    pub(crate) threads: u32,
}

/// What runs on the host before it runs in sandboxes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// A user's model with its input files.
    Model { model: PathBuf, inputs: Vec<PathBuf>, input: ModelInput },
    /// An application of Isolde's own, as [`Choice`] writes it, and the folder with
    /// networks of reference size.
    Application { choice: String, networks: PathBuf },
}

impl Subject {
    /// What it is called in errors.
    fn name(&self) -> String {
        match self {
            Self::Model { model, .. } => format!("the model {}", model.display()),
            Self::Application { choice, .. } => choice.clone(),
        }
    }

    /// Loads it; gives the number of its inputs, too.
    fn load(&self, threads: &Threads) -> anyhow::Result<(Box<dyn Application>, u32)> {
        match self {
            Self::Model { model, inputs, input } => {
                let application = user_model::load(model, inputs, input, threads)?;
                Ok((application, u32::try_from(inputs.len())?))
            }
            Self::Application { choice, networks } => {
                let choice: Choice = choice.parse()?;
                Ok((choice.load(networks, threads)?, (choice.description.inputs)()))
            }
        }
    }
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    /// It works; the most memory it took, in bytes.
    Works {
        peak_bytes: u64,
    },
    Fails {
        reason: String,
    },
}

/// How long the trial may take: as long as a launch may work.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the files of arrays after the first are tried.
const TIME_FOR_ARRAYS: Duration = Duration::from_secs(10);
/// Longest answer in bytes.
const LONGEST_ANSWER: u64 = 16 << 10;

/// Loads it, prepares every input and infers once; gives the bytes of memory that
/// took.
///
/// # Errors
/// Wrong usage: why it does not work. Or that the user asked to stop.
pub(crate) fn try_out(trial: &Trial, interrupt: &Interrupt) -> anyhow::Result<u64> {
    let mut command = Command::new("/proc/self/exe");
    command.arg(ROLE).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().context("this program cannot start itself")?;
    let mut guard = Guard(child);
    if let Some(mut stdin) = guard.0.stdin.take() {
        // A trial that died already tells so by its end.
        let _ = stdin.write_all(&serde_json::to_vec(trial)?);
    }
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if interrupt.is_triggered() {
            return Err(tagged(Exit::Interrupted, "interrupted before the first trial"));
        }
        match guard.0.try_wait()? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let limit = PATIENCE.as_secs();
                return Err(refused(trial, &format!("one inference took more than {limit} s")));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let answer = said(guard.0.stdout.take())?;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Works { peak_bytes }) => Ok(peak_bytes),
        Ok(Answer::Fails { reason }) => Err(refused(trial, &reason)),
        Err(_) => {
            let last_words = said(guard.0.stderr.take())?;
            Err(refused(trial, &died(status, &String::from_utf8_lossy(&last_words))))
        }
    }
}

/// What a trial that has ended said, which its pipe holds.
fn said(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(LONGEST_ANSWER).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn refused(trial: &Trial, reason: &str) -> anyhow::Error {
    let reason: String = reason.chars().filter(|c| !c.is_control()).collect();
    let name = trial.subject.name();
    let text = match &trial.subject {
        Subject::Model { model, .. } if reason.contains(&*model.to_string_lossy()) => reason,
        _ => format!("{name} cannot be run: {reason}"),
    };
    tagged(Exit::Usage, text)
}

/// Why the trial died. `last_words` are those of Rust's run-time.
fn died(status: ExitStatus, last_words: &str) -> String {
    let signal = status.signal();
    if last_words.contains("overflowed its stack") {
        return "the engine ran out of stack on it".into();
    }
    let short = "out of memory: it needs more memory than this host has free";
    if let Some((_, rest)) = last_words.split_once("memory allocation of ") {
        let bytes = rest.split_once(' ').and_then(|(bytes, _)| bytes.parse::<u64>().ok());
        return bytes.map_or_else(
            || short.to_owned(),
            |bytes| format!("{short}, {} MiB at once", bytes.div_ceil(1 << 20)),
        );
    }
    if signal == Some(Signal::KILL.as_raw()) {
        return short.into();
    }
    match signal {
        Some(signal) => format!("the engine crashed on it (signal {signal})"),
        None => format!("the engine ended without an answer ({status})"),
    }
}

/// Ends the trial on every path.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The trial's own side.
pub(crate) fn serve() -> ExitCode {
    let answer = match limit_self().and_then(|()| read_trial()) {
        Ok(trial) => attempt(&trial),
        Err(error) => Answer::Fails { reason: format!("the trial cannot begin: {error}") },
    };
    let written = serde_json::to_vec(&answer)
        .map_err(io::Error::from)
        .and_then(|answer| io::stdout().write_all(&answer));
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends with its parent, goes first when memory runs out, and gets no more of it
/// than is free.
fn limit_self() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let meminfo = std::fs::read_to_string("/proc/meminfo")?;
    if let Some(free) = kibibytes(&meminfo, "MemAvailable:") {
        let limit = Rlimit { current: Some(free), maximum: Some(free) };
        rustix::process::setrlimit(Resource::As, limit)?;
    }
    Ok(())
}

/// The value of a line of /proc/meminfo or /proc/PID/status, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn read_trial() -> io::Result<Trial> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn attempt(trial: &Trial) -> Answer {
    std::panic::set_hook(Box::new(|_| {}));
    let ran = std::panic::catch_unwind(|| run_once(trial));
    let reason = match ran {
        Ok(Ok(())) => {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let peak_bytes = kibibytes(&status, "VmHWM:").unwrap_or(0);
            return Answer::Works { peak_bytes };
        }
        Ok(Err(error)) => chain(&error),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            format!("the engine failed on it: {text}")
        }
    };
    Answer::Fails { reason: reason.chars().take(2000).collect() }
}

/// As the agent does it, but with one inference; of arrays, whose shapes may differ, with
/// one of each file for as long as that takes little time.
fn run_once(trial: &Trial) -> anyhow::Result<()> {
    let threads = Threads::new(trial.threads);
    let (mut application, inputs) = trial.subject.load(&threads)?;
    for input in 0..inputs {
        application.prepare(input, 0)?;
    }
    let arrays = matches!(trial.subject, Subject::Model { input: ModelInput::Arrays(_), .. });
    let began = Instant::now();
    let tried = (0..if arrays { inputs } else { 1 })
        .take_while(|input| *input == 0 || began.elapsed() < TIME_FOR_ARRAYS);
    threads.run(|| {
        for input in tried {
            for task in 0..application.tasks().len().max(1) {
                application.prepare(input, task)?;
                application.infer(task)?;
                application.interpret(task)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_of_reference_size_is_tried_with_its_network() {
        let networks = tempfile::tempdir().unwrap();
        let subject = Subject::Application {
            choice: "road-sign:reference".into(),
            networks: networks.path().to_owned(),
        };
        let trial = Trial { subject, threads: 1 };
        let missing = run_once(&trial).unwrap_err().to_string();
        assert!(missing.contains("road-sign.onnx"), "{missing}");
        let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../isolde-apps/assets/road-sign");
        let network = std::path::Path::new(assets).join("model.onnx");
        std::fs::copy(network, networks.path().join("road-sign.onnx")).unwrap();
        run_once(&trial).unwrap();
    }

    #[test]
    fn a_death_for_want_of_memory_says_how_much_was_asked_for() {
        let status = ExitStatus::from_raw(Signal::ABORT.as_raw());
        let words = died(status, "memory allocation of 8388608 bytes failed\n");
        assert!(words.contains("out of memory") && words.contains("8 MiB at once"), "{words}");
        let words = died(ExitStatus::from_raw(Signal::KILL.as_raw()), "");
        assert!(words.contains("out of memory"), "{words}");
        assert!(died(ExitStatus::from_raw(Signal::SEGV.as_raw()), "").contains("signal 11"));
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(kibibytes("VmPeak:\t 9 kB\nVmHWM:\t  2048 kB\n", "VmHWM:"), Some(2 << 20));
        assert_eq!(kibibytes("", "VmHWM:"), None);
    }
}
