//! The tables of an application: how long inference took, what a launch costs, and
//! the steps of its start and end.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Row as Line, Table};

use crate::units::{self, Scale};
use crate::{Comparison, Figure, LatencyFigures, LeftOut, Row, StartFigures, Style, printable};

/// Shown where a figure cannot be told.
const NONE: &str = "–";

/// How long inference took, one line per environment.
pub(crate) fn inference(rows: &[&Row], baseline: &str, style: Style) -> Vec<String> {
    let scale = Scale::of_nanoseconds(values(rows, |row| &row.inference.median_ns));
    let spread = scale.with_digits_for(values(rows, |row| &row.inference.sd_ns));
    let unit = |name: &str| format!("{name} {}", scale.unit);
    let header = vec![
        "environment".into(),
        "launches".into(),
        "n".into(),
        unit("median"),
        unit("p95"),
        unit("p99"),
        unit("SD"),
        format!("× {}", printable(baseline)),
    ];
    let lines = rows.iter().map(|row| {
        let figures = &row.inference;
        vec![
            name(row),
            format!("{}/{}", row.completed, row.planned),
            row.steady_inferences.to_string(),
            shown(&figures.median_ns, scale),
            shown(&figures.p95_ns, scale),
            shown(&figures.p99_ns, scale),
            shown(&figures.sd_ns, spread),
            comparison(&row.comparison),
        ]
    });
    draw(header, lines.collect(), rows, style)
}

/// From input to answer, one line per environment, and the unit of all.
pub(crate) fn latency(rows: &[&Row], style: Style) -> (Vec<String>, &'static str) {
    let latencies: Vec<_> = rows.iter().filter_map(|row| row.latency.as_ref()).collect();
    let whole = latencies.iter().filter_map(|latency| latency.whole.median_ns.value());
    let parts = latencies.iter().flat_map(|latency| {
        let LatencyFigures { prepare_ns, infer_ns, interpret_ns, .. } = latency;
        [prepare_ns, infer_ns, interpret_ns].into_iter().filter_map(Figure::value)
    });
    let scale = Scale::of_nanoseconds(whole).with_digits_for(parts);
    let names = ["environment", "prepare", "infer", "interpret", "whole", "p95", "p99"];
    let lines = rows.iter().map(|row| {
        let figures = row.latency.as_ref().map(|latency| {
            let LatencyFigures { prepare_ns, infer_ns, interpret_ns, whole, .. } = latency;
            [prepare_ns, infer_ns, interpret_ns, &whole.median_ns, &whole.p95_ns, &whole.p99_ns]
        });
        let shown = |figures: [&Figure; 6]| figures.map(|figure| shown(figure, scale));
        let figures = figures.map_or_else(|| [NONE; 6].map(str::to_owned), shown);
        std::iter::once(name(row)).chain(figures).collect()
    });
    let header = names.map(str::to_owned).to_vec();
    (draw(header, lines.collect(), rows, style), scale.unit)
}

/// From input to answer by task, one line per environment, and the unit of all.
pub(crate) fn tasks(rows: &[&Row], baseline: &str, style: Style) -> (Vec<String>, &'static str) {
    let latencies: Vec<_> = rows.iter().filter_map(|row| row.latency.as_ref()).collect();
    let whole = latencies.iter().filter_map(|latency| latency.whole.median_ns.value());
    let scale = Scale::of_nanoseconds(whole);
    let tasks: Vec<&str> = latencies
        .iter()
        .map(|latency| latency.tasks.iter().map(|task| task.task.as_str()).collect::<Vec<_>>())
        .max_by_key(Vec::len)
        .unwrap_or_default();
    let mut header: Vec<String> =
        ["environment", "whole", "p95", "p99"].map(str::to_owned).to_vec();
    header.extend(tasks.iter().map(|task| printable(task)));
    header.push(format!("× {}", printable(baseline)));
    let lines = rows.iter().map(|row| {
        let mut line = vec![name(row)];
        match &row.latency {
            None => line.resize(header.len(), NONE.into()),
            Some(LatencyFigures { whole, tasks, comparison: against, .. }) => {
                let whole = [&whole.median_ns, &whole.p95_ns, &whole.p99_ns];
                let parts = tasks.iter().map(|task| &task.time.median_ns);
                line.extend(whole.into_iter().chain(parts).map(|figure| shown(figure, scale)));
                line.resize(header.len() - 1, NONE.into());
                line.push(against.as_ref().map_or_else(|| NONE.into(), comparison));
            }
        }
        line
    });
    (draw(header.clone(), lines.collect(), rows, style), scale.unit)
}

/// Medians of the inference time by number of threads, one line per environment, each
/// with how many times faster it is than with the first number, and their unit.
/// `rows` has one list per number of threads, each in the same order of environments.
pub(crate) fn sweep(rows: &[(u32, Vec<&Row>)], style: Style) -> (Vec<String>, &'static str) {
    let Some((_, first)) = rows.first() else { return (Vec::new(), "") };
    let scale = Scale::of_nanoseconds(values(first, |row| &row.inference.median_ns));
    let median = |rows: &[&Row], environment: &str| {
        let row = rows.iter().find(|row| row.environment == environment)?;
        row.inference.median_ns.value()
    };
    let threads = |count: u32| format!("{count} thread{}", if count == 1 { "" } else { "s" });
    let header = std::iter::once("environment".to_owned())
        .chain(rows.iter().map(|(count, _)| threads(*count)))
        .collect();
    let lines = first.iter().map(|row| {
        let slowest = row.inference.median_ns.value();
        let cells = rows.iter().enumerate().map(|(place, (_, rows))| {
            match (median(rows, &row.environment), slowest) {
                (None, _) => NONE.into(),
                (Some(time), Some(slowest)) if place > 0 && time > 0.0 => {
                    format!("{} ({}×)", scale.show(time), units::ratio(slowest / time))
                }
                (Some(time), _) => scale.show(time),
            }
        });
        std::iter::once(name(row)).chain(cells).collect()
    });
    (draw(header, lines.collect(), first, style), scale.unit)
}

/// What a launch costs, one line per environment.
pub(crate) fn launch(rows: &[&Row], style: Style) -> Vec<String> {
    let start = Scale::of_nanoseconds(values(rows, |row| &row.launch.cold_start_ns));
    let cpu = Scale::of_nanoseconds(values(rows, |row| &row.launch.cpu_ns));
    let memory = Scale::of_bytes(values(rows, |row| &row.launch.memory_peak_bytes));
    let header = vec![
        "environment".into(),
        format!("cold start {}", start.unit),
        format!("host CPU {}", cpu.unit),
        format!("daemons {}", cpu.unit),
        format!("memory {}", memory.unit),
    ];
    let lines = rows.iter().map(|row| {
        let figures = &row.launch;
        vec![
            name(row),
            shown(&figures.cold_start_ns, start),
            shown(&figures.cpu_ns, cpu),
            shown(&figures.daemon_cpu_ns, cpu),
            shown(&figures.memory_peak_bytes, memory),
        ]
    });
    draw(header, lines.collect(), rows, style)
}

/// A step of a launch: its column's name, and its figure.
type Step = (&'static str, fn(&StartFigures) -> &Figure);

const STEPS: [Step; 8] = [
    ("started", |start| &start.sandbox_started_ns),
    ("kernel", |start| &start.kernel_entered_ns),
    ("agent", |start| &start.agent_up_ns),
    ("app", |start| &start.application_started_ns),
    ("loaded", |start| &start.model_loaded_ns),
    ("first", |start| &start.first_inference_ns),
    ("exit", |start| &start.exit_ns),
    ("gone", |start| &start.tear_down_ns),
];

/// The steps of a launch, one line per environment, and the unit of all.
pub(crate) fn start(rows: &[&Row], style: Style) -> (Vec<String>, &'static str) {
    let scale = Scale::of_nanoseconds(values(rows, |row| &row.launch.start.agent_up_ns));
    let names = STEPS.iter().map(|(name, _)| (*name).to_owned());
    let header = std::iter::once("environment".to_owned()).chain(names).collect();
    let lines = rows.iter().map(|row| {
        let figures = STEPS.iter().map(|(_, figure)| shown(figure(&row.launch.start), scale));
        std::iter::once(name(row)).chain(figures).collect()
    });
    (draw(header, lines.collect(), rows, style), scale.unit)
}

fn name(row: &Row) -> String {
    let name = printable(&row.environment);
    if row.emulated { format!("{name}, emulated") } else { name }
}

fn values<'a>(rows: &[&'a Row], figure: impl Fn(&'a Row) -> &'a Figure) -> Vec<f64> {
    rows.iter().filter_map(|row| figure(row).value()).collect()
}

fn shown(figure: &Figure, scale: Scale) -> String {
    figure.value().map_or_else(|| NONE.into(), |value| scale.show(value))
}

fn comparison(comparison: &Comparison) -> String {
    match comparison {
        Comparison::Baseline => "baseline".into(),
        Comparison::Compared { ratio, interval, .. } => {
            let interval = interval.map(|ends| ends.map(units::ratio).join(", "));
            let interval = interval.map(|ends| format!(" [{ends}]")).unwrap_or_default();
            units::ratio(*ratio) + &interval
        }
        Comparison::LeftOut { reason: LeftOut::Emulated, .. } => "emulated".into(),
        Comparison::LeftOut { .. } => NONE.into(),
    }
}

fn draw(header: Vec<String>, lines: Vec<Vec<String>>, rows: &[&Row], style: Style) -> Vec<String> {
    let mut table = Table::new();
    let ratio_last = header.last().is_some_and(|name| name.starts_with('×'));
    table.load_style(NOTHING).set_header(aligned(header, ratio_last));
    table.add_rows(lines.into_iter().map(|line| aligned(line, ratio_last)));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let drawn: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let dressed = drawn.iter().enumerate().map(|(number, line)| match number.checked_sub(1) {
        None => style.bold(line),
        Some(row) if rows.get(row).is_some_and(|row| row.emulated) => style.faint(line),
        Some(_) => line.clone(),
    });
    dressed.collect()
}

/// Names and ratios, which a heading with `×` has, to the left, other figures to the right.
fn aligned(cells: Vec<String>, ratio_last: bool) -> Line {
    let last = cells.len() - 1;
    let cells = cells.into_iter().enumerate().map(|(column, text)| {
        let left = column == 0 || (ratio_last && column == last);
        let alignment = if left { CellAlignment::Left } else { CellAlignment::Right };
        Cell::new(text).set_alignment(alignment)
    });
    Line::from(cells.collect::<Vec<_>>())
}
