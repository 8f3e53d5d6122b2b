//! A summary as text for a terminal.

use isolde_model::BundleState;

use crate::fit::page;
use crate::sweep::in_words;
use crate::units::gibibytes;
use crate::{FailureGroup, Row, Style, Summary, guest_kernels, host, part, printable, program};

/// Lays a summary out for a terminal. Every text in it that came from a file
/// or a sandbox is made [`printable`].
#[must_use]
pub fn render_text(summary: &Summary, style: Style) -> String {
    let mut lines = head(summary, style);
    let counts = &summary.plan.resources.threads;
    for application in &summary.plan.applications {
        let rows: Vec<&Row> =
            summary.rows.iter().filter(|row| row.application == *application).collect();
        let own_name = printable(application);
        for &count in counts.as_slice() {
            let rows: Vec<&Row> = rows.iter().filter(|row| row.threads == count).copied().collect();
            let name = match counts.is_sweep() {
                true => format!("{own_name}, {}", in_words(&count.into())),
                false => own_name.clone(),
            };
            lines.push(String::new());
            lines.extend(part::lines(summary, application, &name, &rows, style));
        }
        if counts.is_sweep() {
            lines.extend(part::sweep(&own_name, counts.as_slice(), &rows, style));
        }
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
            in_words(&plan.resources.threads),
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
        let sweeps = summary.plan.resources.threads.is_sweep();
        lines.extend(summary.failures.iter().flat_map(|group| failure_lines(group, sweeps)));
    }
    if !summary.leaks.is_empty() {
        lines.extend([String::new(), style.bold("Left on the host")]);
        lines.extend(summary.leaks.iter().map(|leak| format!("  {}", printable(leak))));
    }
    lines
}

fn failure_lines(group: &FailureGroup, sweeps: bool) -> Vec<String> {
    /// Trials named in one line; the rest are counted.
    const NAMED: usize = 8;
    let mut trials: Vec<String> =
        group.trials.iter().take(NAMED).map(|index| format!("{index:05}")).collect();
    if group.trials.len() > NAMED {
        trials.push(format!("and {} more", group.trials.len() - NAMED));
    }
    let with =
        if sweeps { format!(", {}", in_words(&group.threads.into())) } else { String::new() };
    let mut lines = vec![
        format!(
            "  {} × {}, {}{with}: {} while {}",
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
