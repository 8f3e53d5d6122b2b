//! `isolde testbed`: an emulated device to try everything on. One file per verb.

mod args;
mod bring;
mod build;
mod run;
mod shell;
mod terminal;

use std::process::ExitCode;

use isolde_model::{ByteSize, Resources};
use isolde_runner::{Interrupt, RunError, host};
use isolde_testbed::TestbedError;

pub(crate) use args::TestbedArguments;

use self::args::TestbedCommand;
use crate::exit::{Exit, ExitContext, chain, tagged};

/// Does what is asked for.
pub(crate) fn run(arguments: &TestbedArguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        TestbedCommand::Build(build) => build::run(build),
        TestbedCommand::Run(run) => run::run(run),
        TestbedCommand::Shell(shell) => shell::run(shell),
    }
}

/// Whether this host can give a device of this size.
///
/// # Errors
/// Wrong usage: more than the host has.
fn check_size(cpus: u32, memory: ByteSize) -> anyhow::Result<()> {
    let facts = host::facts_without_kvm();
    if cpus == 0 {
        return Err(tagged(Exit::Usage, "the number of CPUs is 0: give --cpus 1 or more"));
    }
    let least = ByteSize::mebibytes(512);
    if memory < least {
        let text =
            format!("{memory} of memory are too little for a device: give --memory 1G or more");
        return Err(tagged(Exit::Usage, text));
    }
    host::check_resources(&Resources { cpus, memory, threads: 1.into() }, &facts)
        .exit_with(Exit::Usage)
}

/// Gives errors of the test bed their exit codes.
fn told<T>(result: Result<T, TestbedError>, interrupt: &Interrupt) -> anyhow::Result<T> {
    result.map_err(|error| {
        let exit = match &error {
            _ if interrupt.is_triggered() => Exit::Interrupted,
            TestbedError::Interrupted | TestbedError::Run(RunError::Interrupted) => {
                Exit::Interrupted
            }
            TestbedError::Package(_) | TestbedError::Bring { .. } => Exit::Usage,
            TestbedError::Results(_) => Exit::Unwritten,
            TestbedError::Run(RunError::Exec { .. }) => Exit::TrialsFailed,
            _ => Exit::Unfit,
        };
        let text =
            if exit == Exit::Interrupted { "interrupted".into() } else { chain(&error.into()) };
        tagged(exit, text)
    })
}
