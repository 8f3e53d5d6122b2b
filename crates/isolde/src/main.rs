//! `isolde`: the command line on the host and, copied into a sandbox, the agent
//! inside it. Arguments, wording and exit codes live here; how anything is done
//! lives in the other crates.

mod agent;
mod args;
mod brought;
mod commands;
mod exit;
mod files;
mod log;
mod model_args;
mod model_memory;
mod model_source;
mod model_trial;
mod naming;
mod networks;
mod output;
mod resolve;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    if let Some(role) = agent::role() {
        return agent::play(role);
    }
    let arguments = Arguments::parse();
    let log = log::start(arguments.verbose);
    let result = match arguments.command {
        Command::Doctor(doctor) => commands::doctor::run(&doctor),
        Command::Environments(output) => commands::environments::run(&output),
        Command::Run(run) => commands::run::run(&run, &log),
        Command::Plan(plan) => commands::plan::run(&plan),
        Command::Exec(exec) => commands::exec::run(&exec),
        Command::Kernel(kernel) => commands::kernel::run(&kernel),
        Command::Report(report) => commands::report::run(&report),
        Command::App(app) => commands::app::run(&app),
        Command::Image(image) => commands::image::run(&image),
        Command::Testbed(testbed) => commands::testbed::run(&testbed),
        Command::Clean(clean) => commands::clean::run(&clean),
        Command::Completions { shell } => commands::completions::run(shell),
        Command::Man => commands::completions::man(),
    };
    if let Err(error) = &result {
        output::talk(&format!("error: {}", exit::chain(error)));
    }
    exit::code_of(&result)
}
