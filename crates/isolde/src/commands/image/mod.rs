//! `isolde image`: what is in the cache of images. One file per verb.

mod add;
mod args;
mod export;
mod list;
mod remove;
mod show;
mod table;

use std::process::ExitCode;

use isolde_image::{Image, ImageError, Intake, IntakeError, Progress, Store};
use isolde_runner::Interrupt;

pub(crate) use args::ImageArguments;
pub(crate) use table::{columns, size};

use self::args::ImageCommand;
use crate::exit::{Exit, ExitContext};

/// Does what is asked for.
pub(crate) fn run(arguments: &ImageArguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        ImageCommand::Add(add) => add::run(add),
        ImageCommand::List(output) => list::run(output),
        ImageCommand::Show(show) => show::run(show),
        ImageCommand::Export(export) => export::run(export),
        ImageCommand::Remove(remove) => remove::run(remove),
        ImageCommand::Prune(prune) => remove::prune(prune),
    }
}

/// How images are brought for a run: until the user wants to stop, and with talk
/// about it or without.
#[derive(Clone, Copy)]
pub(crate) struct Bringing<'a> {
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) quiet: bool,
}

/// The image that `reference` names, taken into the cache where it is not there.
///
/// # Errors
/// Why it cannot be had, with the exit code that says so.
pub(crate) fn bring(store: &Store, reference: &str, how: Bringing<'_>) -> anyhow::Result<Image> {
    let stop = || how.interrupt.is_triggered();
    let say = |progress: Progress<'_>| add::tell(progress);
    let intake = Intake::new(store).cancelled(&stop);
    let intake = if how.quiet { intake } else { intake.progress(&say) };
    told(intake.bring(reference))
}

/// Gives errors of images their exit codes.
pub(crate) fn told<T>(result: Result<T, ImageError>) -> anyhow::Result<T> {
    result.map_err(anyhow::Error::from).or_else(|error| {
        let exit = error.downcast_ref().map_or(Exit::Unfit, exit_of);
        Err(error).exit_with(exit)
    })
}

fn exit_of(error: &ImageError) -> Exit {
    match error {
        ImageError::Intake(IntakeError::Reference { .. } | IntakeError::Ambiguous { .. }) => {
            Exit::Usage
        }
        ImageError::Intake(IntakeError::DiskFull { .. }) => Exit::Unwritten,
        ImageError::Interrupted | ImageError::Intake(IntakeError::Interrupted) => Exit::Interrupted,
        _ => Exit::Unfit,
    }
}
