//! What a host can do, and what would make it better, as text.

use isolde_model::{EnvironmentReport, HostFacts, KvmFacts, Readiness};

use crate::fit::{WIDTH, page};
use crate::units::gibibytes;
use crate::{Style, printable};

const SET_GOVERNOR: &str =
    "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor";

/// Load per CPU, in thousandths, from which other work is in the way.
const BUSY_THOUSANDTHS: u64 = 300;

/// Lays out what a host is and what it can run.
#[must_use]
pub fn render_host(host: &HostFacts, environments: &[EnvironmentReport], style: Style) -> String {
    let mut lines = vec![style.bold("Device")];
    lines.extend(facts(host).into_iter().map(|(name, fact)| format!("  {name:<12}{fact}")));
    lines.extend(kvm(&host.kvm, style));
    let cautions = cautions(host);
    if !cautions.is_empty() {
        lines.extend([String::new(), style.bold("What makes figures worse here")]);
        for Caution { what, hint } in &cautions {
            lines.extend([format!("  {}", style.yellow(what)), format!("      {hint}")]);
        }
    }
    lines.extend([String::new(), style.bold("Environments")]);
    lines.extend(environments.iter().flat_map(|report| environment(report, style)));
    page(&lines)
}

/// Lays out the environments alone.
#[must_use]
pub fn render_environments(environments: &[EnvironmentReport], style: Style) -> String {
    let lines: Vec<String> =
        environments.iter().flat_map(|report| environment(report, style)).collect();
    page(&lines)
}

fn facts(host: &HostFacts) -> Vec<(&'static str, String)> {
    let known = |fact: &Option<String>| fact.as_deref().map_or("unknown".into(), printable);
    let virtualized = if host.cpu.virtualized { ", itself a virtual machine" } else { "" };
    let mut facts = vec![
        ("machine", known(&host.machine) + virtualized),
        ("system", known(&host.os)),
        ("kernel", format!("{} on {}", printable(&host.kernel), printable(&host.architecture))),
        ("CPU", format!("{} × {}", host.cpu.cpus, known(&host.cpu.model))),
        ("governor", known(&host.cpu.governor)),
        (
            "memory",
            format!(
                "{} of {} available",
                gibibytes(host.memory_available_bytes),
                gibibytes(host.memory_bytes)
            ),
        ),
        ("swap", swap(host)),
        ("cgroup", printable(&host.cgroup)),
        ("load", thousandths(host.load_1m_thousandths)),
    ];
    if let Some(millicelsius) = host.temperature_millicelsius {
        facts.push(("temperature", format!("{:.1} °C", millicelsius as f64 / 1e3)));
    }
    let throttling = match host.throttling.is_empty() {
        true => "none seen".into(),
        false => host.throttling.iter().map(|text| printable(text)).collect::<Vec<_>>().join(", "),
    };
    facts.push(("throttling", throttling));
    facts
}

fn swap(host: &HostFacts) -> String {
    match host.swap_bytes {
        0 => "none".into(),
        all => format!("{} of {} in use", gibibytes(host.swap_used_bytes), gibibytes(all)),
    }
}

fn thousandths(value: u64) -> String {
    format!("{:.2}", value as f64 / 1e3)
}

fn kvm(kvm: &KvmFacts, style: Style) -> Vec<String> {
    let nanoseconds = |picoseconds: u64| format!("{:.1} ns", picoseconds as f64 / 1e3);
    let (verdict, hint) = match kvm {
        KvmFacts::Executes { picoseconds_per_iteration } => {
            let time = nanoseconds(*picoseconds_per_iteration);
            (style.green(&format!("executes guest code, {time} per step of the probe")), None)
        }
        KvmFacts::Emulated { picoseconds_per_iteration } => {
            let time = nanoseconds(*picoseconds_per_iteration);
            let verdict =
                format!("there, but it emulates guest code, far too slow: {time} per step");
            let hint = "virtual machines will use software emulation and are marked emulated";
            (style.yellow(&verdict), Some(hint.to_owned()))
        }
        KvmFacts::Broken { reason } => {
            let verdict = format!("there, but guest code does not run: {}", printable(reason));
            (style.red(&verdict), None)
        }
        KvmFacts::Absent { reason, hint } => {
            (style.yellow(&format!("absent: {}", printable(reason))), Some(printable(hint)))
        }
    };
    let mut lines = vec![format!("  {:<12}{verdict}", "KVM")];
    let hint = hint.filter(|hint| !hint.is_empty());
    lines.extend(hint.map(|hint| format!("  {:<12}{hint}", "")));
    lines
}

/// Something on a host that makes figures worse.
pub(crate) struct Caution {
    /// What, and how it shows.
    pub(crate) what: String,
    /// What to do about it.
    hint: &'static str,
}

/// What on this host makes figures worse.
pub(crate) fn cautions(host: &HostFacts) -> Vec<Caution> {
    let mut cautions = Vec::new();
    if let Some(why) = &host.cpu.emulated {
        let what = format!(
            "this device's own CPU is emulated ({}): its figures are those of no real device",
            printable(why)
        );
        cautions.push(Caution { what, hint: "measure on the device itself" });
    }
    if let Some(governor) = host.cpu.governor.as_deref().filter(|&name| name != "performance") {
        let what = format!("CPU governor {}: the clock moves while measuring", printable(governor));
        cautions.push(Caution { what, hint: SET_GOVERNOR });
    }
    if host.swap_used_bytes > 0 {
        let used = gibibytes(host.swap_used_bytes);
        let what = format!("swap in use ({used}): paging shows up as slow inferences");
        cautions.push(Caution { what, hint: "free memory, or sudo swapoff -a" });
    }
    for text in &host.throttling {
        let what = format!("throttling: {}", printable(text));
        cautions.push(Caution { what, hint: "cool the device and check its power supply" });
    }
    let limit = BUSY_THOUSANDTHS.saturating_mul(u64::from(host.cpu.cpus.max(1)));
    if host.load_1m_thousandths > limit {
        let load = thousandths(host.load_1m_thousandths);
        let what = format!("load {load}: other work is running and takes part in every figure");
        cautions.push(Caution { what, hint: "stop it, or wait until it ends" });
    }
    cautions
}

fn environment(report: &EnvironmentReport, style: Style) -> Vec<String> {
    let name = printable(report.environment.as_str());
    match &report.readiness {
        Readiness::Ready(ready) => {
            let emulated = if ready.emulated { style.yellow(" (emulated)") } else { String::new() };
            let ready_word = style.green("ready");
            let version = match printable(&ready.version) {
                version if version.is_empty() => printable(&report.description),
                version => version,
            };
            let mut lines = vec![format!("  {name:<20}{ready_word}{emulated}  {version}")];
            lines.extend(ready.note.iter().map(|note| format!("  {:<20}{}", "", printable(note))));
            lines
        }
        Readiness::Missing(missing) => missing_lines(&name, &missing.what, &missing.hint, style),
    }
}

/// An environment that cannot run: what is missing and the command that brings
/// it, in one line where that fits.
pub(crate) fn missing_lines(name: &str, what: &str, hint: &str, style: Style) -> Vec<String> {
    let (name, what, hint) = (printable(name), printable(what), printable(hint));
    let word = style.yellow("missing");
    let start = format!("  {name:<20}{word}  {what}");
    let width = "  missing  ".len() + name.len().max(20) + what.len() + ": ".len() + hint.len();
    match width {
        _ if hint.is_empty() => vec![start],
        width if width <= WIDTH => vec![format!("{start}: {hint}")],
        _ => vec![start, format!("  {:<20}{hint}", "")],
    }
}
