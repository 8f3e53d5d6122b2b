//! A process for each measurement: started, it loads a network, infers once, says so,
//! and times the inferences that follow.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use isolde_apps::user_model::{Hints, Normalisation, load, meaning, outline};
use isolde_apps::{Application, Threads};
use isolde_model::ModelInput;
use isolde_stats::median;

/// The word that makes this executable the embedded engine's process.
pub(crate) const ROLE: &str = "embedded-engine";

/// Inferences that are timed: a large network's take seconds together.
const INFERENCES: &str = "10";

/// What the embedded engine is given. It decodes and resizes it before its first
/// inference; ONNX Runtime's program is spared that.
const PICTURE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../isolde-apps/assets/driving-scenario/images/00.jpg");

/// One of the two engines.
pub(crate) enum Engine<'a> {
    /// This executable in its role.
    Ours,
    /// ONNX Runtime, driven by a Python program.
    Theirs { python: &'a str, program: &'a Path },
}

/// What one process took, in seconds.
pub(crate) struct Times {
    /// From exec until the first inference is done.
    pub(crate) first: f64,
    /// Median of those that follow.
    pub(crate) steady: f64,
}

impl Engine<'_> {
    pub(crate) fn measure(&self, network: &Path, threads: u32) -> anyhow::Result<Times> {
        let mut command = match self {
            Self::Ours => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(ROLE);
                command
            }
            Self::Theirs { python, program } => {
                let mut command = Command::new(python);
                command.arg(program);
                command
            }
        };
        command.arg(network).args([&threads.to_string(), INFERENCES]).stdout(Stdio::piped());
        let start = Instant::now();
        let mut child = command.spawn().context("the process cannot be started")?;
        let mut output = BufReader::new(child.stdout.take().context("it has no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let first = start.elapsed().as_secs_f64();
        let mut rest = String::new();
        output.read_to_string(&mut rest)?;
        let status = child.wait()?;
        ensure!(status.success() && line == "first\n", "the process failed: {status}");
        let times: Vec<f64> = rest.lines().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Times { first, steady: median(&times)? / 1e9 })
    }
}

/// The embedded engine's process.
pub(crate) fn run(network: &str, threads: &str, inferences: &str) -> anyhow::Result<()> {
    let inferences: u32 = inferences.parse().context("the number of inferences")?;
    let threads = Threads::new(threads.parse().context("the number of threads")?);
    let network = PathBuf::from(network);
    let outline = outline(&std::fs::read(&network)?)?;
    // What pixels become makes no difference to time.
    let hints = Hints { values: Some(Normalisation::UNIT), ..Hints::default() };
    let input = ModelInput::Picture(meaning(&outline, hints)?);
    let mut application = load(&network, &[PICTURE.into()], &input, &threads)?;
    threads.run(|| time(&mut *application, inferences))
}

fn time(application: &mut dyn Application, inferences: u32) -> anyhow::Result<()> {
    application.prepare(0, 0)?;
    application.infer(0)?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "first")?;
    output.flush()?;
    for _ in 0..inferences {
        let start = Instant::now();
        application.infer(0)?;
        writeln!(output, "{}", start.elapsed().as_nanos())?;
    }
    Ok(())
}
