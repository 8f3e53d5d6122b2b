//! Shell completions and the manual page, from the argument definitions.

use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Arguments;
use crate::output::print;

/// Prints a completion script.
pub(crate) fn run(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "isolde", &mut script);
    print(&String::from_utf8(script).context("the script is not text")?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page: the overview, then every command.
pub(crate) fn man() -> anyhow::Result<ExitCode> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    render(&command, &mut page).context("the page cannot be made")?;
    print(&String::from_utf8(page).context("the page is not text")?)?;
    Ok(ExitCode::SUCCESS)
}

/// One page for everything; the usual one would send its reader to a page of
/// each command, and there is none.
fn render(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let man = Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    for subcommand in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let man = Man::new(subcommand.clone());
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        if subcommand.get_after_help().is_some() {
            man.render_extra_section(&mut section)?;
        }
        let section = String::from_utf8_lossy(&section);
        let section = section.replace(".SH EXTRA", ".SH NOTES").replace(".SH ", ".SS ");
        let name = subcommand.get_name().to_uppercase();
        page.extend(format!(".SH \"ISOLDE {name}\"\n{section}").bytes());
    }
    man.render_extra_section(page)?;
    man.render_version_section(page)
}
