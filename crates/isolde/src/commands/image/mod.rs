//! `isolde image`: what is in the cache of images. One file per verb.

mod add;
mod args;
mod export;
mod list;
mod remove;
mod show;
mod table;

use std::process::ExitCode;

use isolde_image::{ImageError, IntakeError};

pub(crate) use args::ImageArguments;

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
        ImageError::Intake(IntakeError::Interrupted) => Exit::Interrupted,
        _ => Exit::Unfit,
    }
}
