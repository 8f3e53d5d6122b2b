//! `isolde app`: the applications that this program brings. One file per verb.

mod agreement;
mod args;
mod build;
mod check;
mod export;
mod image;
mod list;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use isolde_apps::{Choice, Size};

pub(crate) use args::AppArguments;

use self::args::{AppCommand, NetworksArguments};
use crate::{networks, resolve};

/// Does what is asked for.
pub(crate) fn run(arguments: &AppArguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        AppCommand::List(output) => list::run(output),
        AppCommand::Show(show) => show::run(show),
        AppCommand::Check(check) => check::run(check),
        AppCommand::Build(build) => build::run(build),
        AppCommand::Export(export) => export::run(export),
        AppCommand::Image(image) => image::run(image),
    }
}

/// The folder with the networks that these applications need: what was named, or the
/// cache, into which those that are absent are written.
///
/// # Errors
/// That one cannot be written.
fn networks_folder(choices: &[Choice], arguments: &NetworksArguments) -> anyhow::Result<PathBuf> {
    if let Some(folder) = &arguments.networks {
        return Ok(folder.clone());
    }
    let mut folder = PathBuf::new();
    for choice in choices.iter().filter(|choice| choice.size == Size::Reference) {
        folder = networks::folder_for(&resolve::store()?, choice)?;
    }
    Ok(folder)
}
