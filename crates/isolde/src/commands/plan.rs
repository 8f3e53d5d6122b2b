//! `isolde plan`: what `run` would do.

use std::process::ExitCode;

use isolde_model::{Plan, SCHEMA_VERSION, Trial};
use isolde_runner::{Interrupt, host, schedule};
use serde::Serialize;

use crate::args::{Format, PlanCommandArguments};
use crate::commands::image::Bringing;
use crate::output::{print, print_json, talk};
use crate::{brought, resolve};

#[derive(Serialize)]
struct Outlook<'a> {
    schema: u32,
    plan: &'a Plan,
    /// In the order in which they would be run.
    trials: Vec<Trial>,
}

/// Prints the resolved plan as a plan file, and its extent as talk; as JSON,
/// with every trial in its order.
pub(crate) fn run(arguments: &PlanCommandArguments) -> anyhow::Result<ExitCode> {
    let PlanCommandArguments { plan: arguments, output } = arguments;
    let mut provisions = resolve::provisions()?;
    let from_file = resolve::plan_file(arguments)?;
    let kernel = resolve::wanted_kernel(arguments, from_file.as_ref());
    provisions.choose_kernel_for([], kernel.as_deref());
    let wanted = resolve::wanted(arguments, from_file.as_ref());
    let probed = resolve::probe(&wanted, &provisions)?;
    resolve::share_kernel(&mut provisions, &probed, kernel.as_deref())?;
    let interrupt = Interrupt::new()?;
    let how = Bringing { interrupt: &interrupt, quiet: false };
    let brought = brought::asked_for(arguments, from_file.as_ref(), how)?;
    let plan = resolve::plan(arguments, from_file, brought.as_ref(), &probed, &host::facts())?;
    brought::try_out(brought.as_ref(), &plan, provisions.store(), &interrupt)?;
    let trials = schedule(&plan);
    let extent = extent(&plan, trials.len());
    match output.format {
        Format::Text => print(&toml::to_string(&plan)?)?,
        Format::Json => print_json(&Outlook { schema: SCHEMA_VERSION, plan: &plan, trials })?,
    }
    talk(&extent);
    Ok(ExitCode::SUCCESS)
}

fn extent(plan: &Plan, trials: usize) -> String {
    let blocks = plan.launches;
    let each = match plan.resources.threads.as_slice() {
        [_] => String::new(),
        counts => format!(
            " (each: {}, {}, {} numbers of threads)",
            counted(plan.applications.len(), "application"),
            counted(plan.environments.len(), "environment"),
            counts.len()
        ),
    };
    match plan.budget {
        Some(budget) => {
            format!("{trials} trials in {blocks} blocks{each}, or fewer blocks within {budget}")
        }
        None => format!("{trials} trials in {blocks} blocks{each}, without a limit of time"),
    }
}

fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}
