//! Launch to exit of a trivial job: this program's container against `runc run`
//! of the same bundle, alternately. Prints the ratio of the medians.
//!
//! The job is the same script in the same root file system; both sides include
//! taking the container down.

#![expect(clippy::unwrap_used, reason = "a benchmark panics when its ground gives way")]

#[expect(dead_code, reason = "shared with the tests")]
#[path = "../tests/rig/mod.rs"]
mod rig;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rig::{Rig, soon};

const ROUNDS: usize = 40;

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn main() {
    let Some(rig) = Rig::new("exit 0") else { return };
    let bundle = rig.folder().join("runc-bundle");
    copy_bundle(&rig, &bundle);
    let (mut ours, mut theirs, mut runtime) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let began = Instant::now();
        let mut sandbox = rig.create().unwrap();
        drop(sandbox.start(soon()).unwrap());
        sandbox.wait(soon()).unwrap();
        let exited = began.elapsed();
        assert!(sandbox.destroy().is_empty());
        ours.push(began.elapsed());
        let reading = sandbox.usage().unwrap();
        runtime.push((exited, reading.cpu_ns, reading.daemons[0].cpu_ns));

        let began = Instant::now();
        let status = Command::new("runc")
            .args(["run", "--bundle"])
            .arg(&bundle)
            .arg(format!("isolde-bench-{}-{round}", std::process::id()))
            .stdin(Stdio::null())
            .status()
            .unwrap();
        theirs.push(began.elapsed());
        assert!(status.success());
    }
    rig.check();
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    println!("launch to exit, median of {ROUNDS}: container {ours:?}, runc run {theirs:?}");
    println!("ratio {:.3}", ours.as_secs_f64() / theirs.as_secs_f64());
    let mut exits: Vec<Duration> = runtime.iter().map(|(exited, ..)| *exited).collect();
    let mut outside: Vec<u64> = runtime.iter().map(|(.., outside)| *outside).collect();
    outside.sort_unstable();
    println!("without taking down: {:?}", median(&mut exits));
    println!("runtime's CPU outside the cgroup: median {} µs", outside[ROUNDS / 2] / 1000);
}

/// The bundle that this program writes, for runc.
fn copy_bundle(rig: &Rig, target: &Path) {
    let sandbox = rig.create().unwrap();
    fs::create_dir(target).unwrap();
    let written = rig.folder().join("scratch-0/bundle/config.json");
    fs::copy(written, target.join("config.json")).unwrap();
    rig.end_one(sandbox);
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
