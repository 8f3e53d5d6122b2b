//! `isolde report`: the results of a run, again.

use std::process::ExitCode;

use isolde_bundle::Bundle;
use isolde_report::{Style, Summary, render_text};

use crate::args::{Format, ReportArguments};
use crate::exit::{Exit, ExitContext};
use crate::output::{print, print_json, takes_colour};

/// Prints the table of a bundle.
pub(crate) fn run(arguments: &ReportArguments) -> anyhow::Result<ExitCode> {
    let bundle = Bundle::open(&arguments.bundle).exit_with(Exit::Usage)?;
    let summary = Summary::of(&bundle).exit_with(Exit::Usage)?;
    show(&summary, arguments.output.format)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a summary.
pub(crate) fn show(summary: &Summary, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Text => print(&render_text(summary, Style { colour: takes_colour() })),
        Format::Json => print_json(summary),
    }
}
