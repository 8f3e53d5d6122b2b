//! `isolde plan`: what `run` would do.

use std::process::ExitCode;

use isolde_model::Plan;
use isolde_runner::{host, schedule};

use crate::args::PlanArguments;
use crate::output::{print, talk};
use crate::resolve;

/// Prints the resolved plan as a plan file, and its extent as talk.
pub(crate) fn run(arguments: &PlanArguments) -> anyhow::Result<ExitCode> {
    let provisions = resolve::provisions()?;
    let from_file = resolve::plan_file(arguments)?;
    let wanted = resolve::wanted(arguments, from_file.as_ref());
    let probed = resolve::probe(&wanted, &provisions)?;
    let plan = resolve::plan(arguments, from_file, &probed, &host::facts())?;
    print(&toml::to_string(&plan)?)?;
    talk(&extent(&plan));
    Ok(ExitCode::SUCCESS)
}

fn extent(plan: &Plan) -> String {
    let trials = schedule(plan).len();
    let blocks = plan.launches;
    match plan.budget {
        Some(budget) => {
            format!("{trials} trials in {blocks} blocks, or fewer blocks within {budget}")
        }
        None => format!("{trials} trials in {blocks} blocks, without a limit of time"),
    }
}
