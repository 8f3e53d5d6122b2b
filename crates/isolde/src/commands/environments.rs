//! `isolde environments`: the list of them.

use std::process::ExitCode;

use isolde_model::{EnvironmentReport, SCHEMA_VERSION};
use isolde_report::{Style, render_environments};
use serde::Serialize;

use crate::args::{Format, OutputArguments};
use crate::output::{print, print_json, takes_colour};
use crate::resolve;

#[derive(Serialize)]
struct Listing {
    schema: u32,
    environments: Vec<EnvironmentReport>,
}

/// Prints every environment and whether it can run here.
pub(crate) fn run(arguments: &OutputArguments) -> anyhow::Result<ExitCode> {
    let provisions = resolve::provisions()?;
    let probed = resolve::probe(&[], &provisions)?;
    let environments: Vec<_> = probed.into_iter().map(|probed| probed.report).collect();
    match arguments.format {
        Format::Text => {
            print(&render_environments(&environments, Style { colour: takes_colour() }))?;
        }
        Format::Json => print_json(&Listing { schema: SCHEMA_VERSION, environments })?,
    }
    Ok(ExitCode::SUCCESS)
}
