//! `isolde doctor`: what this host can run, what is missing and how to get it.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use isolde_model::{EnvironmentReport, HostFacts, Readiness, SCHEMA_VERSION};
use isolde_report::{Style, render_host};
use isolde_runner::{KERNEL_INSTALL, host};
use serde::Serialize;

use crate::args::{DoctorArguments, Format};
use crate::exit::{Exit, tagged};
use crate::output::{print, print_json, takes_colour, talk};
use crate::resolve;

#[derive(Serialize)]
struct Examination<'a> {
    schema: u32,
    host: &'a HostFacts,
    environments: &'a [EnvironmentReport],
}

/// Examines the host; with `--install`, brings what is missing and examines again.
pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<ExitCode> {
    let mut environments = examine()?;
    if arguments.install && install(&environments, arguments.yes)? {
        environments = examine()?;
    }
    let host = host::facts();
    match arguments.output.format {
        Format::Text => {
            print(&render_host(&host, &environments, Style { colour: takes_colour() }))?;
        }
        Format::Json => {
            print_json(&Examination {
                schema: SCHEMA_VERSION,
                host: &host,
                environments: &environments,
            })?;
        }
    }
    let any_ready = environments.iter().any(|report| report.readiness.is_ready());
    Ok(if any_ready { ExitCode::SUCCESS } else { Exit::Unfit.into() })
}

fn examine() -> anyhow::Result<Vec<EnvironmentReport>> {
    let provisions = resolve::provisions()?;
    let probed = resolve::probe(&[], &provisions)?;
    Ok(probed.into_iter().map(|probed| probed.report).collect())
}

/// Brings packages, and a guest kernel where none is found; true if anything changed.
fn install(environments: &[EnvironmentReport], yes: bool) -> anyhow::Result<bool> {
    let packages = missing_packages(environments);
    let kernel = needs_kernel(environments);
    if packages.is_empty() && !kernel {
        talk("nothing that a package brings is missing");
        return Ok(false);
    }
    if !packages.is_empty() {
        let command = package_command(&packages)?;
        talk(&format!("to be run: {}", command.join(" ")));
        confirm(yes)?;
        run_command(&command)?;
    }
    if kernel || needs_kernel(&examine()?) {
        talk(
            "a guest kernel is to be fetched from the distribution's kernel package (not installed)",
        );
        confirm(yes)?;
        let store = resolve::store()?;
        let kernel = isolde_image::fetch_package_kernel(&store)
            .context("the distribution's kernel package cannot be fetched")?;
        talk(&format!("kernel {} is in the cache", kernel.release));
    }
    Ok(true)
}

fn missing_packages(environments: &[EnvironmentReport]) -> Vec<String> {
    let mut packages = Vec::new();
    for report in environments {
        if let Readiness::Missing(missing) = &report.readiness {
            for package in &missing.packages {
                if !packages.contains(package) {
                    packages.push(package.clone());
                }
            }
        }
    }
    packages
}

/// Whether a virtual machine has everything but a kernel that the distribution has.
fn needs_kernel(environments: &[EnvironmentReport]) -> bool {
    environments.iter().any(|report| match &report.readiness {
        Readiness::Missing(missing) => missing.hint == KERNEL_INSTALL,
        Readiness::Ready(_) => false,
    })
}

/// `apt-get install` of these packages, through sudo where that is needed.
fn package_command(packages: &[String]) -> anyhow::Result<Vec<String>> {
    if !std::path::Path::new("/usr/bin/apt-get").exists() {
        let packages = packages.join(" ");
        bail!(tagged(
            Exit::Unfit,
            format!(
                "apt-get is not on this host: install what Debian calls {packages} with its own package manager"
            ),
        ));
    }
    let mut command: Vec<String> = Vec::new();
    if !rustix::process::geteuid().is_root() {
        command.push("sudo".into());
    }
    command.extend(["apt-get", "install", "--yes"].map(String::from));
    command.extend_from_slice(packages);
    Ok(command)
}

fn confirm(yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        bail!(tagged(Exit::Usage, "nobody can be asked without a terminal: give --yes to go on"));
    }
    let mut stderr = io::stderr();
    write!(stderr, "go on? [y/N] ").and_then(|()| stderr.flush()).context("cannot ask")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!(tagged(Exit::Interrupted, "nothing was installed")),
    }
}

fn run_command(command: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("the command is empty")?;
    // Its talk goes to our standard error: standard output is for the result.
    let status = Command::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!(tagged(
            Exit::Unfit,
            format!("`{}` failed ({status}): try `sudo apt-get update` first", command.join(" ")),
        ));
    }
    Ok(())
}
