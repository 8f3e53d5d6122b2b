//! The embedded engine against ONNX Runtime in Python: the same networks, as many
//! threads, in turns.
//!
//! ```text
//! cargo bench -p isolde --bench engines [-- FOLDER [ROUNDS]]
//! ```
//!
//! FOLDER holds ONNX files with one picture as input; without it the networks that
//! this program brings are taken. `ISOLDE_BENCH_PYTHON` names the Python that has
//! ONNX Runtime, `python3` unless set. Nothing is asserted about time.

mod child;
#[path = "../turns/mod.rs"]
mod turns;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};

use child::{Engine, Times};

/// Unless another number is asked for: a multiple of the cycle in which each side has
/// every position.
const ROUNDS: usize = 12;
/// The numbers of threads that are compared.
const THREADS: [u32; 2] = [1, 2];

fn main() -> ExitCode {
    // Cargo says `--bench` to every benchmark.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match *words.as_slice() {
        [child::ROLE, network, threads, inferences] => child::run(network, threads, inferences),
        [] => compare(&brought(), ROUNDS),
        [folder] => compare(Path::new(folder), ROUNDS),
        [folder, rounds] => rounds
            .parse()
            .context("ROUNDS wants a number")
            .and_then(|rounds| compare(Path::new(folder), rounds)),
        _ => Err(anyhow::anyhow!("a folder and a number of rounds are all that can be given")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn compare(folder: &Path, rounds: usize) -> anyhow::Result<()> {
    let python = std::env::var("ISOLDE_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
    if !has_onnx_runtime(&python) {
        say(&format!(
            "skipped: {python} has no onnxruntime: `python3 -m venv DIR && DIR/bin/pip install \
             onnxruntime`, then set ISOLDE_BENCH_PYTHON=DIR/bin/python"
        ));
        return Ok(());
    }
    let networks = networks(folder)?;
    if networks.is_empty() {
        bail!("no ONNX file is in {}", folder.display());
    }
    let scratch = tempfile::tempdir()?;
    let program = scratch.path().join("theirs.py");
    std::fs::write(&program, include_str!("theirs.py"))?;
    for network in &networks {
        for threads in THREADS {
            one(network, threads, rounds, &Engine::Theirs { python: &python, program: &program })?;
        }
    }
    Ok(())
}

/// Compares on one network: steady inference, and exec to first inference.
fn one(network: &Path, threads: u32, rounds: usize, theirs: &Engine<'_>) -> anyhow::Result<()> {
    // The networks that this program brings are all called model.onnx.
    let named = match network.file_stem() {
        Some(stem) if stem == "model" => network.parent().unwrap_or(network),
        _ => network,
    };
    let name = named.file_stem().unwrap_or_default().to_string_lossy();
    let starts: RefCell<[Vec<f64>; 2]> = RefCell::default();
    let measure = |engine: &Engine<'_>, side: usize| -> anyhow::Result<f64> {
        let Times { first, steady } = engine.measure(network, threads)?;
        starts.borrow_mut()[side].push(first);
        Ok(steady)
    };
    let sides = turns::take(
        rounds,
        vec![
            ("ONNX Runtime in Python", &mut || measure(theirs, 0)),
            ("embedded engine", &mut || measure(&Engine::Ours, 1)),
        ],
    )?;
    print(&format!("{name}, {threads} thread(s): steady inference"));
    print(&turns::table(&sides)?);
    let [theirs, ours] = starts.into_inner();
    // The round that does not count comes first on each side.
    let starts = [("ONNX Runtime in Python", &theirs[1..]), ("embedded engine", &ours[1..])];
    print(&format!("{name}, {threads} thread(s): exec to first inference"));
    for (side, seconds) in starts {
        let [low, median, high] = turns::quartiles(seconds)?.map(|seconds| seconds * 1e3);
        print(&format!("  {side:<33} {median:>8.2} ms  ({low:.2} to {high:.2})"));
    }
    let ratios: Vec<f64> =
        ours[1..].iter().zip(&theirs[1..]).map(|(own, their)| own / their).collect();
    let [low, median, high] = turns::quartiles(&ratios)?;
    print(&format!("  ratio in pairs {median:.3} ({low:.3} to {high:.3})\n"));
    Ok(())
}

/// The folder of the applications' own networks.
fn brought() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../isolde-apps/assets")
}

/// The ONNX files in `folder` and in its folders, by path.
fn networks(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(networks(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "onnx") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn has_onnx_runtime(python: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import numpy, onnxruntime"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "what a benchmark could not do")]
fn say(text: &str) {
    eprintln!("{text}");
}
