//! What Isolde itself costs: each comparison does the same thing with Isolde and
//! without it, in turns, and prints the ratio.
//!
//! ```text
//! cargo bench -p isolde --bench spine -- [COMPARISON ...] [--rounds N]
//! ```
//!
//! Nothing is asserted about time: the host's other work is in every figure, on
//! both sides, and printed beside it.

mod container;
mod docker;
mod ground;
mod inference;
#[path = "../turns/mod.rs"]
mod turns;
mod vm;

use std::process::ExitCode;

use anyhow::{Context, bail};

/// One comparison.
struct Comparison {
    name: &'static str,
    what: &'static str,
    /// The ratio to stay below.
    target: f64,
    /// Unless others are asked for.
    rounds: usize,
    run: fn(usize) -> anyhow::Result<Option<Vec<turns::Side>>>,
}

const COMPARISONS: [Comparison; 4] = [
    Comparison {
        name: "inference",
        what: "median steady inference time in `process`, against the same loop run bare",
        target: 1.01,
        rounds: 40,
        run: inference::compare,
    },
    Comparison {
        name: "container",
        what: "launch to exit of `true` in `container`, against `runc run`",
        target: 1.0,
        rounds: 40,
        run: container::compare,
    },
    Comparison {
        name: "docker",
        what: "launch to exit of `true` in `docker`, against `docker run --rm`",
        target: 1.0,
        rounds: 20,
        run: docker::compare,
    },
    Comparison {
        name: "vm",
        what: "exec to ready of the VM, against the same machine with a bare busybox init",
        target: 1.15,
        rounds: 15,
        run: vm::compare,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [word] if word == inference::BARE => inference::run_bare(),
        words => run(words),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> anyhow::Result<()> {
    let (names, rounds) = parse(words)?;
    for comparison in &COMPARISONS {
        if !names.is_empty() && !names.contains(&comparison.name) {
            continue;
        }
        let rounds = rounds.unwrap_or(comparison.rounds);
        let sides = (comparison.run)(rounds).with_context(|| comparison.name)?;
        let Some(sides) = sides else { continue };
        print(&format!(
            "{}: {} (target: at most {:.2})\n{}",
            comparison.name,
            comparison.what,
            comparison.target,
            turns::table(&sides)?
        ));
    }
    Ok(())
}

fn parse(words: &[String]) -> anyhow::Result<(Vec<&str>, Option<usize>)> {
    let (mut names, mut rounds) = (Vec::new(), None);
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            // Cargo says so to every benchmark.
            "--bench" => {}
            "--rounds" => {
                let number = words.next().and_then(|number| number.parse().ok());
                let number = number.filter(|&number| number > 0);
                rounds = Some(number.context("--rounds wants a number above 0")?);
            }
            name if COMPARISONS.iter().any(|comparison| comparison.name == name) => {
                names.push(name);
            }
            other => {
                let known = COMPARISONS.map(|comparison| comparison.name).join(", ");
                bail!("there is no comparison `{other}`: there are {known}");
            }
        }
    }
    Ok((names, rounds))
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "what a benchmark could not do")]
fn say(text: &str) {
    eprintln!("{text}");
}
