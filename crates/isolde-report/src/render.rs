//! A summary as text for a terminal.

use isolde_model::{BundleState, ThreadCounts};
use isolde_stats::{LEAST_BLOCKS, samples_needed};

use crate::fit::page;
use crate::units::gibibytes;
use crate::{
    Comparison, FailureGroup, Figure, LeftOut, Row, Style, Summary, host, printable, program,
    tables,
};
use crate::{agreement, guest_kernels, phases};

/// Lays a summary out for a terminal. Every text in it that came from a file
/// or a sandbox is made [`printable`].
#[must_use]
pub fn render_text(summary: &Summary, style: Style) -> String {
    let mut lines = head(summary, style);
    let counts = &summary.plan.resources.threads;
    for application in &summary.plan.applications {
        for &count in counts.as_slice() {
            let of_part = |row: &&Row| row.application == *application && row.threads == count;
            let rows: Vec<&Row> = summary.rows.iter().filter(of_part).collect();
            let name = match counts.is_sweep() {
                true => format!("{}, {}", printable(application), threads(&count.into())),
                false => printable(application),
            };
            lines.push(String::new());
            lines.extend(phases::reference_note(application, &summary.plan));
            lines.extend(phases::task_part(&name, &rows, &summary.plan, style));
            lines.extend(application_part(summary, &name, &rows, style));
        }
        lines.extend(phases::sweep_part(summary, application, style));
    }
    lines.extend(emulated_part(summary));
    lines.extend(unavailable_part(summary, style));
    lines.extend(failure_part(summary, style));
    lines.push(String::new());
    lines.push(format!("Bundle: {}", printable(&summary.bundle)));
    page(&lines)
}

fn head(summary: &Summary, style: Style) -> Vec<String> {
    let (host, plan) = (&summary.host, &summary.plan);
    let cpu = host.cpu.model.as_deref().unwrap_or("unknown CPU");
    let governor = host.cpu.governor.as_deref().unwrap_or("unknown");
    let machine = host.machine.as_deref().unwrap_or("unknown machine");
    let plural =
        |count: u32, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let warm_up = match plan.warm_up {
        0 => "no warm-up".into(),
        count => format!("{count} before them as warm-up, kept apart"),
    };
    let mut lines = vec![
        style.bold(&format!(
            "Isolde {}, preset {}, {}",
            printable(&summary.isolde),
            plan.preset,
            printable(&summary.started)
        )),
        format!(
            "Device  {}: {} × {}, {}",
            printable(machine),
            host.cpu.cpus,
            printable(cpu),
            gibibytes(host.memory_bytes)
        ),
        format!(
            "        Linux {} on {}, CPU governor {}",
            printable(&host.kernel),
            printable(&host.architecture),
            printable(governor)
        ),
        format!(
            "Plan    {}, {} memory, {} for each; seed {}",
            plural(plan.resources.cpus, "CPU"),
            plan.resources.memory,
            threads(&plan.resources.threads),
            plan.seed
        ),
        format!(
            "        {} × {}; {warm_up}",
            if plan.launches == 1 {
                "1 launch".into()
            } else {
                format!("{} launches", plan.launches)
            },
            program::inferences_asked(plan).unwrap_or_else(|| plural(plan.inferences, "inference")),
        ),
    ];
    lines.splice(3..3, guest_kernels::lines(&summary.rows, &host.kernel, style));
    lines.push(format!("State   {}", state(summary, style)));
    let cautions = host::cautions(host).into_iter();
    lines.extend(cautions.map(|caution| format!("{} {}", style.yellow("Caution"), caution.what)));
    lines
}

/// Threads in words: `1 thread`, `1, 2 and 4 threads`.
fn threads(counts: &ThreadCounts) -> String {
    match counts.as_slice() {
        [1] => "1 thread".into(),
        [first @ .., last] if !first.is_empty() => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!("{} and {last} threads", first.join(", "))
        }
        counts => format!("{} threads", counts.first().unwrap_or(&0)),
    }
}

fn state(summary: &Summary, style: Style) -> String {
    let count = format!("{} of {} launches", summary.launches, summary.planned_launches);
    let words = match summary.state {
        BundleState::Complete => format!("complete, {count}"),
        BundleState::Open => {
            style.yellow(&format!("not ended: still running, or the program died; {count}"))
        }
        BundleState::BudgetSpent => {
            style.yellow(&format!("stopped by its time budget after whole blocks; {count}"))
        }
        BundleState::Interrupted => style.yellow(&format!("interrupted; {count}")),
    };
    match summary.failed_launches {
        0 => words,
        failed => format!("{words}, {}", style.red(&format!("{failed} failed"))),
    }
}

fn application_part(summary: &Summary, name: &str, rows: &[&Row], style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    if !program::is_cold_start_only(rows) {
        lines.push(style.bold(&format!("{name}: {}", program::what_is_timed(rows))));
        lines.extend(tables::inference(rows, summary.plan.baseline.as_str(), style));
        lines.extend(inference_notes(rows));
    }
    lines.extend(program::notes(rows, &summary.plan));
    lines.extend(phases::phase_part(name, rows, style));
    lines.push(String::new());
    lines.push(style.bold(&format!("{name}: one launch")));
    lines.extend(tables::launch(rows, style));
    lines.push(format!("{}, by the host's clock;", program::cold_start_ends(rows)));
    lines.push("host CPU: the sandbox's cgroup and daemons, and the daemons' part; memory: the peak; all medians".into());
    lines.extend(start_part(name, rows, style));
    lines.extend(agreement::notes(rows));
    lines.extend(program::untold_outputs(rows));
    lines.extend(rows.iter().flat_map(|row| row_notes(row, style)));
    lines
}

fn start_part(name: &str, rows: &[&Row], style: Style) -> Vec<String> {
    let (table, unit) = tables::start(rows, style);
    let mut lines = vec![String::new(), style.bold(&format!("{name}: start and end, {unit}"))];
    lines.extend(table);
    lines.push(
        "from the request until: what isolates runs, a guest's kernel has its clock, the agent's \
         first byte, the application starts, its model is loaded, its first inference is done"
            .into(),
    );
    lines.push(
        "exit: from the end of the work until the sandbox has ended; gone: from there until \
         nothing of it is left; all medians"
            .into(),
    );
    lines
}

fn inference_notes(rows: &[&Row]) -> Vec<String> {
    let mut notes = vec![
        "median: of the launches' medians; p95, p99, SD: of all n steady inferences of completed \
         launches"
            .to_owned(),
    ];
    let (p95, p99) = (samples_needed(0.95), samples_needed(0.99));
    let told = |figure: &Figure| figure.value().is_some();
    let short = |row: &&&Row| row.steady_inferences > 0;
    let p95_short = rows.iter().filter(short).any(|row| !told(&row.inference.p95_ns));
    let p99_short = rows.iter().filter(short).any(|row| !told(&row.inference.p99_ns));
    if p95_short {
        notes.push(format!("–: n<{p95} for p95, n<{p99} for p99: too few to tell of that tail"));
    } else if p99_short {
        notes.push(format!("–: n<{p99} for p99: too few to tell of that tail"));
    }
    let compared: Vec<(&Option<[f64; 2]>, usize)> = rows
        .iter()
        .filter_map(|row| match &row.comparison {
            Comparison::Compared { interval, blocks, .. } => Some((interval, *blocks)),
            _ => None,
        })
        .collect();
    if compared.iter().any(|(interval, _)| interval.is_some()) {
        notes.push(
            "×: ratio of medians over blocks in which both completed, [95 % interval]".into(),
        );
    }
    if compared.iter().any(|(interval, blocks)| interval.is_none() && *blocks < LEAST_BLOCKS) {
        notes.push(format!(
            "× without an interval: fewer than {LEAST_BLOCKS} such blocks, so it is no finding yet"
        ));
    }
    notes
}

fn row_notes(row: &Row, style: Style) -> Vec<String> {
    let name = printable(&row.environment);
    let mut notes = Vec::new();
    if row.completed == 0 && row.failed > 0 {
        notes.push(style.red(&format!("{name}: no figures, every launch failed")));
    }
    if row.given_up {
        let dropped = (row.planned as usize).saturating_sub(row.completed + row.failed);
        notes.push(style.red(&format!(
            "{name}: given up after repeated failures, {dropped} of {} launches not run",
            row.planned
        )));
    }
    if let Comparison::LeftOut { reason, why } = &row.comparison
        && *reason != LeftOut::Emulated
        && row.completed > 0
        && !program::is_cold_start_only(&[row])
    {
        notes.push(format!("{name}: not compared: {}", printable(why)));
    }
    notes.extend(row.note.iter().map(|text| format!("{name}: {}", printable(text))));
    notes
}

fn emulated_part(summary: &Summary) -> Vec<String> {
    if !summary.rows.iter().any(|row| row.emulated) {
        return Vec::new();
    }
    let compared = match summary.plan.include_emulated {
        true => "they are compared only because --include-emulated asks for it",
        false => "they are left out of every comparison",
    };
    vec![
        String::new(),
        "emulated: the CPU itself is software. These figures say nothing about this device's"
            .into(),
        format!("speed; {compared}."),
    ]
}

fn unavailable_part(summary: &Summary, style: Style) -> Vec<String> {
    if summary.unavailable.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), style.bold("Could not run here")];
    for missing in &summary.unavailable {
        lines.extend(host::missing_lines(
            &missing.environment,
            &missing.what,
            &missing.hint,
            style,
        ));
    }
    lines
}

fn failure_part(summary: &Summary, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    if !summary.failures.is_empty() {
        lines.extend([String::new(), style.bold("Failed launches (in no figure above)")]);
        lines.extend(summary.failures.iter().flat_map(failure_lines));
    }
    if !summary.leaks.is_empty() {
        lines.extend([String::new(), style.bold("Left on the host")]);
        lines.extend(summary.leaks.iter().map(|leak| format!("  {}", printable(leak))));
    }
    lines
}

fn failure_lines(group: &FailureGroup) -> Vec<String> {
    /// Trials named in one line; the rest are counted.
    const NAMED: usize = 8;
    let mut trials: Vec<String> =
        group.trials.iter().take(NAMED).map(|index| format!("{index:05}")).collect();
    if group.trials.len() > NAMED {
        trials.push(format!("and {} more", group.trials.len() - NAMED));
    }
    let mut lines = vec![
        format!(
            "  {} × {}, {}: {} while {}",
            group.trials.len(),
            printable(&group.environment),
            printable(&group.application),
            group.kind,
            group.stage
        ),
        format!("      {}", printable(&group.reason)),
    ];
    lines.extend(group.hint.iter().map(|hint| format!("      {}", printable(hint))));
    lines.push(format!("      trials {}", trials.join(", ")));
    lines
}
