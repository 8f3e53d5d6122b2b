//! The parts of a report on phases, tasks and numbers of threads.

use isolde_model::Plan;

use crate::{Row, Style, Summary, printable, tables};

/// The latency of an application whose inferences consist of tasks; nothing of others.
pub(crate) fn task_part(name: &str, rows: &[&Row], plan: &Plan, style: Style) -> Vec<String> {
    let mut latencies = rows.iter().filter_map(|row| row.latency.as_ref());
    if !latencies.any(|latency| !latency.tasks.is_empty()) {
        return Vec::new();
    }
    let (table, unit) = tables::tasks(rows, plan.baseline.as_str(), style);
    let mut lines = vec![style.bold(&format!("{name}: latency by task, {unit}"))];
    lines.extend(table);
    lines.push(
        "whole: from input to answer, all tasks together; median, p95 and p99 as below; tasks: \
         their medians, all phases together"
            .into(),
    );
    lines.push(String::new());
    lines
}

/// The phases of an inference; nothing of programs, which tell one duration.
pub(crate) fn phase_part(name: &str, rows: &[&Row], style: Style) -> Vec<String> {
    if rows.iter().all(|row| row.latency.is_none()) {
        return Vec::new();
    }
    let (table, unit) = tables::latency(rows, style);
    let mut lines =
        vec![String::new(), style.bold(&format!("{name}: from input to answer, {unit}"))];
    lines.extend(table);
    lines.push(
        "prepare: decode, resize and normalise; infer: the network; interpret: make an answer of \
         its output; whole: all three"
            .into(),
    );
    lines
}

/// How inference time falls with threads; nothing where their number was not swept.
pub(crate) fn sweep_part(summary: &Summary, application: &str, style: Style) -> Vec<String> {
    let counts = &summary.plan.resources.threads;
    if !counts.is_sweep() {
        return Vec::new();
    }
    let of_count = |&count: &u32| {
        let rows = summary.rows.iter();
        let rows = rows.filter(|row| row.application == application && row.threads == count);
        (count, rows.collect())
    };
    let rows: Vec<(u32, Vec<&Row>)> = counts.as_slice().iter().map(of_count).collect();
    let (table, unit) = tables::sweep(&rows, style);
    let name = printable(application);
    let mut lines =
        vec![String::new(), style.bold(&format!("{name}: median inference by threads, {unit}"))];
    lines.extend(table);
    lines.push("in brackets: how many times as fast as in the first column".into());
    lines
}

/// Whether it is an application of Isolde's own in reference size.
pub(crate) fn is_reference(application: &str, plan: &Plan) -> bool {
    application.ends_with(":reference") && !plan.sources.contains_key(application)
}

/// What must be known of an application of reference size.
pub(crate) fn reference_note(application: &str, plan: &Plan) -> Option<String> {
    is_reference(application, plan).then(|| {
        "weights drawn from a seed: its cost is the study's network's, its predictions \
         mean nothing"
            .into()
    })
}
