//! Shell completions and the manual page, from the argument definitions.

use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Arguments;
use crate::output::print;

/// Prints a completion script.
pub(crate) fn run(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "isolde", &mut script);
    print(&String::from_utf8(script).context("the script is not text")?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page, with every command's options after the overview.
pub(crate) fn man() -> anyhow::Result<ExitCode> {
    let mut page = Vec::new();
    let mut command = Arguments::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page).context("the page cannot be made")?;
    for subcommand in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let man = clap_mangen::Man::new(subcommand.clone());
        page.extend(format!(".SH \"ISOLDE {}\"\n", subcommand.get_name().to_uppercase()).bytes());
        man.render_synopsis_section(&mut page)
            .and_then(|()| man.render_description_section(&mut page))
            .and_then(|()| man.render_options_section(&mut page))
            .context("the page cannot be made")?;
    }
    print(&String::from_utf8(page).context("the page is not text")?)?;
    Ok(ExitCode::SUCCESS)
}
