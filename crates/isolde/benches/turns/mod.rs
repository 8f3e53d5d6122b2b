//! Measuring sides in turns, and their ratios.

use std::fmt::Write;
use std::fs;

use anyhow::Context;
use isolde_stats::quantile;

/// One way of doing the thing, and what it took.
pub(crate) struct Side {
    name: &'static str,
    /// Seconds, one a round.
    seconds: Vec<f64>,
    host: HostCpu,
}

/// Does the thing once and gives the seconds it took.
pub(crate) type Measure<'a> = &'a mut dyn FnMut() -> anyhow::Result<f64>;

/// Measures every side once a round, each in every position equally often,
/// after one round that does not count. The first side is the reference.
pub(crate) fn take(
    rounds: usize,
    sides: Vec<(&'static str, Measure<'_>)>,
) -> anyhow::Result<Vec<Side>> {
    let (names, mut measures): (Vec<_>, Vec<_>) = sides.into_iter().unzip();
    let mut sides: Vec<Side> = names
        .into_iter()
        .map(|name| Side { name, seconds: Vec::new(), host: HostCpu::default() })
        .collect();
    for measure in &mut measures {
        measure()?;
    }
    for round in 0..rounds {
        for position in order(round, measures.len()) {
            let side = &mut sides[position];
            let before = HostCpu::now()?;
            let seconds = measures[position]().with_context(|| side.name)?;
            side.host.add(before, HostCpu::now()?);
            side.seconds.push(seconds);
        }
    }
    Ok(sides)
}

/// Turned by one place each round, and backwards every other cycle: AB BA BA AB.
fn order(round: usize, sides: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sides).collect();
    order.rotate_left(round % sides);
    if round / sides % 2 == 1 {
        order.reverse();
    }
    order
}

/// CPU time of the whole host, in clock ticks.
#[derive(Debug, Clone, Copy, Default)]
struct HostCpu {
    busy: u64,
    all: u64,
}

impl HostCpu {
    /// Since the host was started (`cpu` line of proc(5) stat).
    fn now() -> anyhow::Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("/proc/stat cannot be read")?;
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
        let all = ticks.iter().sum();
        // The fourth and fifth are idle time and waiting for I/O.
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Ok(Self { busy: all - idle, all })
    }

    const fn add(&mut self, before: Self, after: Self) {
        self.busy += after.busy - before.busy;
        self.all += after.all - before.all;
    }

    fn percent(self) -> u64 {
        self.busy * 100 / self.all.max(1)
    }
}

/// Medians with quartiles; the ratio of the medians, and median and quartiles of
/// the ratios within each round.
pub(crate) fn table(sides: &[Side]) -> anyhow::Result<String> {
    let [reference, others @ ..] = sides else { return Ok(String::new()) };
    let mut text = String::new();
    let [_, base, _] = quartiles(&reference.seconds)?;
    let (unit, factor) = if base < 1e-3 { ("µs", 1e6) } else { ("ms", 1e3) };
    for side in sides {
        let [low, median, high] = quartiles(&side.seconds)?.map(|seconds| seconds * factor);
        writeln!(
            text,
            "  {:<33} {median:>8.2} {unit}  ({low:.2} to {high:.2})  host busy {} %",
            side.name,
            side.host.percent()
        )?;
    }
    for side in others {
        let [_, median, _] = quartiles(&side.seconds)?;
        let pairs = side.seconds.iter().zip(&reference.seconds);
        let ratios: Vec<f64> = pairs.map(|(own, reference)| own / reference).collect();
        let [low, middle, high] = quartiles(&ratios)?;
        writeln!(
            text,
            "  ratio of {:<24} {:>8.3}     in pairs {middle:.3} ({low:.3} to {high:.3}), {} rounds",
            side.name,
            median / base,
            ratios.len()
        )?;
    }
    Ok(text)
}

pub(crate) fn quartiles(values: &[f64]) -> anyhow::Result<[f64; 3]> {
    Ok([quantile(values, 0.25)?, quantile(values, 0.5)?, quantile(values, 0.75)?])
}
