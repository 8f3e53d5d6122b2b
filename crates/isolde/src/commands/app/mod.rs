//! `isolde app`: the applications that this program brings. One file per verb.

mod args;
mod check;
mod export;
mod list;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use isolde_apps::{Choice, Size};

pub(crate) use args::AppArguments;

use self::args::{AppCommand, NetworksArguments};
use crate::exit::{Exit, tagged};

/// Does what is asked for.
pub(crate) fn run(arguments: &AppArguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        AppCommand::List(output) => list::run(output),
        AppCommand::Show(show) => show::run(show),
        AppCommand::Check(check) => check::run(check),
        AppCommand::Export(export) => export::run(export),
    }
}

/// The folder with the networks that these applications need.
///
/// # Errors
/// That one is of reference size and no folder is named.
fn networks_folder(choices: &[Choice], arguments: &NetworksArguments) -> anyhow::Result<PathBuf> {
    match (&arguments.networks, choices.iter().find(|choice| choice.size == Size::Reference)) {
        (Some(folder), _) => Ok(folder.clone()),
        (None, None) => Ok(PathBuf::new()),
        (None, Some(choice)) => Err(tagged(
            Exit::Usage,
            format!("{choice} needs networks in files: name their folder with --networks"),
        )),
    }
}
