//! The tables of an application: how long inference took, what a launch costs, and
//! the steps of its start and end.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Row as Line, Table};

use crate::sweep::in_words;
use crate::units::{self, Scale};
use crate::{
    Comparison, DurationFigures, Figure, LeftOut, Row, StartFigures, Style, TaskFigures, printable,
};

/// Shown where a figure cannot be told.
const NONE: &str = "–";
/// Begins the name of a column with ratios.
const RATIO: char = '×';

/// Durations of a row and how they compare, if it has them.
pub(crate) type Timed = for<'a> fn(&'a Row) -> Option<(&'a DurationFigures, &'a Comparison)>;

/// Of the network.
pub(crate) const NETWORK: Timed = |row| Some((&row.inference, &row.comparison));
/// From input to answer.
pub(crate) const WHOLE: Timed =
    |row| row.phases.as_ref().map(|phases| (&phases.whole, &phases.comparison));

/// How long what is timed took, one line per environment.
pub(crate) fn durations(rows: &[&Row], timed: Timed, baseline: &str, style: Style) -> Vec<String> {
    let all = |figure: fn(&DurationFigures) -> &Figure| {
        let figures = rows.iter().filter_map(move |row| figure(timed(row)?.0).value());
        figures.collect::<Vec<f64>>()
    };
    let scale = Scale::of_nanoseconds(all(|figures| &figures.median_ns));
    let spread = scale.with_digits_for(all(|figures| &figures.sd_ns));
    let unit = |name: &str| format!("{name} {}", scale.unit);
    let header = vec![
        "environment".into(),
        "launches".into(),
        "n".into(),
        unit("median"),
        unit("p95"),
        unit("p99"),
        unit("SD"),
        format!("{RATIO} {}", printable(baseline)),
    ];
    let lines = rows.iter().map(|row| {
        let timed = timed(row);
        let cell = |figure: fn(&DurationFigures) -> &Figure, scale| {
            timed.map_or_else(|| NONE.into(), |(figures, _)| shown(figure(figures), scale))
        };
        vec![
            name(row),
            format!("{}/{}", row.completed, row.planned),
            row.steady_inferences.to_string(),
            cell(|figures| &figures.median_ns, scale),
            cell(|figures| &figures.p95_ns, scale),
            cell(|figures| &figures.p99_ns, scale),
            cell(|figures| &figures.sd_ns, spread),
            timed.map_or_else(|| NONE.into(), |(_, against)| comparison(against)),
        ]
    });
    draw(header, lines.collect(), rows, style)
}

/// From input to answer, one line per environment, and the unit of all.
pub(crate) fn phases(rows: &[&Row], style: Style) -> (Vec<String>, &'static str) {
    let wholes = rows.iter().filter_map(|row| WHOLE(row)?.0.median_ns.value());
    let scale = Scale::of_nanoseconds(wholes);
    let names =
        ["environment", "preparation", "inference", "interpretation", "whole", "p95", "p99"];
    let lines = rows.iter().map(|row| {
        let figures = row.phases.as_ref().map(|phases| {
            let whole = &phases.whole;
            [
                &phases.prepare_median_ns,
                &row.inference.median_ns,
                &phases.interpret_median_ns,
                &whole.median_ns,
                &whole.p95_ns,
                &whole.p99_ns,
            ]
        });
        let shown = (0..names.len() - 1).map(|column| {
            figures.map_or_else(|| NONE.into(), |figures| shown(figures[column], scale))
        });
        std::iter::once(name(row)).chain(shown).collect()
    });
    let table = draw(names.map(str::to_owned).into(), lines.collect(), rows, style);
    (table, scale.unit)
}

/// A figure of durations, and its name.
type Named = (&'static str, fn(&DurationFigures) -> &Figure);

/// What is told of each task, a table each.
pub(crate) const BY_TASK: [Named; 2] =
    [("median", |figures| &figures.median_ns), ("p99", |figures| &figures.p99_ns)];

/// A figure of each task, one line per environment, and the unit of all.
pub(crate) fn tasks(
    rows: &[&Row],
    figure: fn(&DurationFigures) -> &Figure,
    style: Style,
) -> (Vec<String>, &'static str) {
    // By the whole: a task may be so short that its unit would fit no other.
    let wholes = rows.iter().filter_map(|row| WHOLE(row)?.0.median_ns.value());
    let scale = Scale::of_nanoseconds(wholes);
    let tasks = rows.iter().find(|row| !row.tasks.is_empty()).map_or(&[][..], |row| &row.tasks);
    let names = tasks.iter().map(|figures| printable(&figures.task));
    let header = std::iter::once("environment".into()).chain(names).collect();
    let lines = rows.iter().map(|row| {
        let cell = |wanted: &TaskFigures| {
            let own = row.tasks.iter().find(|own| own.task == wanted.task);
            own.map_or_else(|| NONE.into(), |own| shown(figure(&own.whole), scale))
        };
        std::iter::once(name(row)).chain(tasks.iter().map(cell)).collect()
    });
    (draw(header, lines.collect(), rows, style), scale.unit)
}

/// Median inference with each number of threads, one line per environment of
/// these rows, and the unit of all.
pub(crate) fn sweep(rows: &[&Row], counts: &[u32], style: Style) -> (Vec<String>, &'static str) {
    let scale = Scale::of_nanoseconds(values(rows, |row| &row.inference.median_ns));
    let fewest = counts.iter().min();
    let columns = counts.iter().map(|&count| in_words(&count.into()));
    let header = std::iter::once("environment".into()).chain(columns).collect();
    let mut environments: Vec<&Row> = Vec::new();
    for row in rows {
        if environments.iter().all(|other| other.environment != row.environment) {
            environments.push(row);
        }
    }
    let cell = |environment: &str, count: &u32| {
        let own = |row: &&&Row| row.environment == environment && row.threads == *count;
        let Some(row) = rows.iter().find(own) else { return NONE.into() };
        let median = shown(&row.inference.median_ns, scale);
        match row.speed_up.filter(|_| fewest != Some(count)) {
            Some(times) => format!("{median} ({times:.2}{RATIO})"),
            None => median,
        }
    };
    let lines = environments.iter().map(|row| {
        let cells = counts.iter().map(|count| cell(&row.environment, count));
        std::iter::once(name(row)).chain(cells).collect()
    });
    (draw(header, lines.collect(), &environments, style), scale.unit)
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
    let ratio_last = header.last().is_some_and(|name| name.starts_with(RATIO));
    let mut table = Table::new();
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

/// Names and ratios to the left, other figures to the right.
fn aligned(cells: Vec<String>, ratio_last: bool) -> Line {
    let last = cells.len() - 1;
    let cells = cells.into_iter().enumerate().map(|(column, text)| {
        let left = column == 0 || (ratio_last && column == last);
        let alignment = if left { CellAlignment::Left } else { CellAlignment::Right };
        Cell::new(text).set_alignment(alignment)
    });
    Line::from(cells.collect::<Vec<_>>())
}
