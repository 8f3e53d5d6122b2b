//! `isolde app export`.

use std::process::ExitCode;

use isolde_apps::ExportError;

use super::args::ExportArguments;
use super::networks_folder;
use crate::exit::{Exit, ExitContext};

/// Writes networks and inputs into a new folder.
pub(super) fn run(arguments: &ExportArguments) -> anyhow::Result<ExitCode> {
    let choice = arguments.application;
    let networks = networks_folder(&[choice], &arguments.networks)?;
    let exported = isolde_apps::export(&choice, &networks, &arguments.out);
    let exit = match &exported {
        // Of a file in a folder that was named.
        Err(ExportError::Application(_)) => Exit::Usage,
        _ => Exit::Unwritten,
    };
    exported.exit_with(exit)?;
    Ok(ExitCode::SUCCESS)
}
