//! Inference through Isolde and bare: the same application on the same inputs
//! in the same order, once by `isolde run --on process`, once by this executable
//! in a process of its own, with neither cgroup nor protocol nor digests.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::ensure;
use isolde_apps::{Application, Choice, Threads};
use isolde_bundle::Bundle;
use isolde_model::Phase;
use isolde_stats::median;

use crate::ground::{Ground, ISOLDE};
use crate::print;
use crate::turns::{Side, take};

/// The word that makes this executable the bare process.
pub(crate) const BARE: &str = "bare";

const APPLICATION: &str = "road-sign";
const WARM_UP: u32 = 100;
const INFERENCES: u32 = 1000;

pub(crate) fn compare(rounds: usize) -> anyhow::Result<Option<Vec<Side>>> {
    let Some(ground) = Ground::lay("process", 1)? else { return Ok(None) };
    let sides = take(
        rounds,
        vec![
            ("bare process", &mut bare),
            ("isolde run --on process", &mut || with_isolde(ground.folder.path())),
        ],
    )?;
    Ok(Some(sides))
}

fn with_isolde(folder: &Path) -> anyhow::Result<f64> {
    let bundle = tempfile::tempdir_in(folder)?;
    let output = Command::new(ISOLDE)
        .args(["run", "--on", "process", "--app", APPLICATION, "--launches", "1", "--quiet"])
        .args(["--warm-up", &WARM_UP.to_string(), "--inferences", &INFERENCES.to_string()])
        .arg("--out")
        .arg(bundle.path().join("bundle"))
        .env("XDG_CACHE_HOME", folder)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results = Bundle::open(&bundle.path().join("bundle"))?;
    let inferences = results.inferences(0)?;
    let steady = inferences.iter().filter(|inference| inference.phase == Phase::Steady);
    summarise(&steady.map(|inference| inference.infer_ns as f64).collect::<Vec<_>>())
}

fn bare() -> anyhow::Result<f64> {
    let output = Command::new(std::env::current_exe()?).arg(BARE).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let times: Result<Vec<f64>, _> = text.lines().map(str::parse).collect();
    summarise(&times?)
}

fn summarise(nanoseconds: &[f64]) -> anyhow::Result<f64> {
    ensure!(nanoseconds.len() == INFERENCES as usize, "{} inferences", nanoseconds.len());
    Ok(median(nanoseconds)? / 1e9)
}

/// The bare process: prints the nanoseconds of each steady inference.
pub(crate) fn run_bare() -> anyhow::Result<()> {
    let choice: Choice = APPLICATION.parse()?;
    let inputs = (choice.description.inputs)();
    let threads = Threads::new(1);
    let mut application = choice.load(Path::new(""), &threads)?;
    let times: Vec<u64> = threads.run(|| {
        (0..WARM_UP + INFERENCES)
            .map(|index| infer(&mut *application, index % inputs))
            .collect::<Result<_, _>>()
    })?;
    for time in &times[WARM_UP as usize..] {
        print(&time.to_string());
    }
    Ok(())
}

fn infer(application: &mut dyn Application, input: u32) -> anyhow::Result<u64> {
    application.prepare(input, 0)?;
    let prepared = Instant::now();
    application.infer(0)?;
    let inferred = Instant::now();
    application.interpret(0)?;
    Ok(u64::try_from((inferred - prepared).as_nanos())?)
}
