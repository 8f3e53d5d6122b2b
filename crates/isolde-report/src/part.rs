//! What is said of one application with one number of threads.

use isolde_model::Plan;
use isolde_stats::{LEAST_BLOCKS, samples_needed};

use crate::sweep::in_words;
use crate::tables::{NETWORK, Timed, WHOLE};
use crate::{
    Comparison, DurationFigures, Figure, LeftOut, Row, Style, Summary, agreement, printable,
    program, tables,
};

/// How a plan calls an application of Isolde's own in its reference size.
const REFERENCE: &str = ":reference";

/// Whether nobody knows which answers are right: weights that are drawn mean nothing.
pub(crate) fn is_reference(application: &str, plan: &Plan) -> bool {
    application.ends_with(REFERENCE) && !plan.sources.contains_key(application)
}

/// The part of `application`, headed `name`.
pub(crate) fn lines(
    summary: &Summary,
    application: &str,
    name: &str,
    rows: &[&Row],
    style: Style,
) -> Vec<String> {
    let baseline = summary.plan.baseline.as_str();
    let mut lines = Vec::new();
    let has_tasks = rows.iter().any(|row| !row.tasks.is_empty());
    if has_tasks {
        lines.extend(task_part(name, rows, baseline, style));
        lines.push(String::new());
    }
    if !program::is_cold_start_only(rows) {
        let of = if has_tasks { ", the networks of all tasks" } else { "" };
        lines.push(style.bold(&format!("{name}: {}{of}", program::what_is_timed(rows))));
        lines.extend(tables::durations(rows, NETWORK, baseline, style));
        lines.extend((!has_tasks).then(|| duration_notes(rows, NETWORK)).into_iter().flatten());
    }
    lines.extend(program::notes(rows, &summary.plan));
    lines.extend(phase_part(name, rows, style));
    lines.push(String::new());
    lines.push(style.bold(&format!("{name}: one launch")));
    lines.extend(tables::launch(rows, style));
    lines.push(format!("{}, by the host's clock;", program::cold_start_ends(rows)));
    lines.push("host CPU: the sandbox's cgroup and daemons, and the daemons' part; memory: the peak; all medians".into());
    lines.extend(start_part(name, rows, style));
    lines.extend(agreement::notes(rows));
    lines.extend(program::untold_outputs(rows));
    lines.extend(rows.iter().flat_map(|row| row_notes(row, style)));
    if is_reference(application, &summary.plan) {
        lines.insert(1, "weights drawn from a seed: same cost as the study's network, its predictions mean nothing".into());
    }
    lines
}

/// The end-to-end latency, as a whole and by task.
fn task_part(name: &str, rows: &[&Row], baseline: &str, style: Style) -> Vec<String> {
    let mut lines = vec![style.bold(&format!("{name}: latency from input to answer"))];
    lines.extend(tables::durations(rows, WHOLE, baseline, style));
    lines.extend(duration_notes(rows, WHOLE));
    for (title, figure) in tables::BY_TASK {
        let (table, unit) = tables::tasks(rows, figure, style);
        lines.extend([String::new(), style.bold(&format!("{name}: {title} by task, {unit}"))]);
        lines.extend(table);
    }
    lines
        .push("a task: its preparation, inference and interpretation; they need not add up".into());
    lines
}

/// What surrounds the network.
fn phase_part(name: &str, rows: &[&Row], style: Style) -> Vec<String> {
    if rows.iter().all(|row| row.phases.is_none()) {
        return Vec::new();
    }
    let (table, unit) = tables::phases(rows, style);
    let title = format!("{name}: from input to answer by phase, {unit}");
    let mut lines = vec![String::new(), style.bold(&title)];
    lines.extend(table);
    lines.push(
        "medians of the launches' medians, each by itself; whole: all three together, p95 and p99 \
         of all n"
            .into(),
    );
    lines
}

/// The medians of an application with each number of threads, where several are swept.
pub(crate) fn sweep(name: &str, counts: &[u32], rows: &[&Row], style: Style) -> Vec<String> {
    if program::is_cold_start_only(rows) {
        return Vec::new();
    }
    let (table, unit) = tables::sweep(rows, counts, style);
    let timed = program::what_is_timed(rows);
    let title = format!("{name}: median {timed} by number of threads, {unit}");
    let mut lines = vec![String::new(), style.bold(&title)];
    lines.extend(table);
    let fewest = in_words(&counts.iter().copied().min().unwrap_or(0).into());
    lines.push(format!("(×): times faster than the same environment with {fewest}"));
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

fn duration_notes(rows: &[&Row], timed: Timed) -> Vec<String> {
    let mut notes = vec![
        "median: of the launches' medians; p95, p99, SD: of all n steady inferences of completed \
         launches"
            .to_owned(),
    ];
    let (p95, p99) = (samples_needed(0.95), samples_needed(0.99));
    let figures: Vec<_> = rows.iter().filter_map(|row| timed(row)).collect();
    let short = |figure: fn(&DurationFigures) -> &Figure| {
        let mut measured =
            figures.iter().filter(|(figures, _)| figures.median_ns.value().is_some());
        measured.any(|(figures, _)| figure(figures).value().is_none())
    };
    let (p95_short, p99_short) =
        (short(|figures| &figures.p95_ns), short(|figures| &figures.p99_ns));
    if p95_short {
        notes.push(format!("–: n<{p95} for p95, n<{p99} for p99: too few to tell of that tail"));
    } else if p99_short {
        notes.push(format!("–: n<{p99} for p99: too few to tell of that tail"));
    }
    let compared: Vec<(&Option<[f64; 2]>, usize)> = figures
        .iter()
        .filter_map(|(_, comparison)| match comparison {
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
