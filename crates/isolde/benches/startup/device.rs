//! The part that runs on the device.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use isolde_bundle::Bundle;
use isolde_model::{EnvironmentName, Mark, Outcome};

use crate::{memory, print, reference};

/// The first word that asks for it.
pub(crate) const ROLE: &str = "on-the-device";

/// Memory of every machine, in MiB.
const MEMORY: u64 = 512;

/// The ratio to stay below.
const TARGET: f64 = 1.1;

const FRESH: &str = "firecracker";
const RESTORED: &str = "firecracker-restore";

/// Measures and prints everything.
pub(crate) fn measure(launches: &str, image: &str) -> anyhow::Result<()> {
    let rounds: u32 = launches.parse().context("the number of launches")?;
    let plain = median((0..rounds.max(1)).map(|_| reference::start(image, MEMORY)).collect())?;
    print(&row("firecracker with busybox alone: call to a word", plain));
    let environments = known(&[FRESH, RESTORED])?;
    if environments.is_empty() {
        print("skipped: this program has no environment `firecracker`");
        return Ok(());
    }
    let bundle = run(&environments, launches)?;
    let fresh = agent_up(&bundle, FRESH)?;
    print(&row("isolde, firecracker: request to the agent's first byte", fresh));
    print(&format!(
        "  × the reference: {:.3} (target: at most {TARGET})",
        fresh.as_secs_f64() / plain.as_secs_f64()
    ));
    if environments.contains(&RESTORED) {
        let restored = agent_up(&bundle, RESTORED)?;
        print(&row("isolde, firecracker-restore: the same", restored));
        print(&format!("  × a fresh boot: {:.3}", restored.as_secs_f64() / fresh.as_secs_f64()));
    }
    let memory = format!("{MEMORY}M");
    let command = ["/bin/busybox", "sleep", "2"];
    let exec = ["exec", "--quiet", "--on", FRESH, "--memory", &memory, "--"];
    match memory::of_vmm(&[&exec[..], &command].concat())? {
        Some(kib) => print(&format!("firecracker itself: {kib} KiB beside the guest's memory")),
        None => bail!("no VMM was seen"),
    }
    Ok(())
}

/// Those of these environments that this program has and that can run.
fn known(names: &[&'static str]) -> anyhow::Result<Vec<&'static str>> {
    let output = Command::new("isolde").args(["environments", "--format", "json"]).output()?;
    let listing: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("`isolde environments` said no JSON")?;
    let listed = listing["environments"].as_array().cloned().unwrap_or_default();
    let is_ready = |name: &str| {
        listed
            .iter()
            .any(|report| report["environment"] == name && report["readiness"]["state"] == "ready")
    };
    Ok(names.iter().copied().filter(|name| is_ready(name)).collect())
}

fn run(environments: &[&str], launches: &str) -> anyhow::Result<Bundle> {
    let folder = Path::new("/tmp/startup");
    let memory = format!("{MEMORY}M");
    let output = Command::new("isolde")
        .args(["run", "--quiet", "--on", &environments.join(","), "--launches", launches])
        .args(["--inferences", "1", "--warm-up", "0", "--seed", "1", "--memory", &memory])
        .args(["--cpus", "1", "--out"])
        .arg(folder)
        .output()
        .context("isolde cannot be started")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "isolde run ended with {}: {said}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        );
    }
    let bundle = Bundle::open(folder).context("the results cannot be read")?;
    Ok(bundle)
}

/// The median time to the agent's first byte.
fn agent_up(bundle: &Bundle, environment: &str) -> anyhow::Result<Duration> {
    let environment = EnvironmentName::new(environment);
    let mut times = Vec::new();
    for record in bundle.trials()? {
        if record.trial.environment != environment {
            continue;
        }
        if let Outcome::Failed(failure) = &record.outcome {
            bail!("a launch failed: {failure}");
        }
        let up = record.mark_ns(Mark::AgentUp).context("a launch without the mark")?;
        times.push(Ok(Duration::from_nanos(up)));
    }
    median(times)
}

fn median(times: Vec<anyhow::Result<Duration>>) -> anyhow::Result<Duration> {
    let mut times = times.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("no launch at all")
}

fn row(what: &str, time: Duration) -> String {
    format!("{what}: {:.3} ms", time.as_secs_f64() * 1000.0)
}
