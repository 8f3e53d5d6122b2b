//! `isolde run`: the main job.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use isolde_backends::Backend;
use isolde_bundle::{Bundle, BundleError, BundleWriter};
use isolde_model::{
    BundleHeader, BundleState, EnvironmentReport, Missing, Plan, Readiness, SCHEMA_VERSION,
};
use isolde_report::{Progress, Summary};
use isolde_runner::{Ended, Experiment, Interrupt, Roots, RunError, Workplace, host};

use crate::args::RunArguments;
use crate::brought::{self, Outfit};
use crate::commands::image::Bringing;
use crate::exit::{Exit, ExitContext, tagged};
use crate::log::BundleLog;
use crate::output::talk;
use crate::resolve::{self, Probed};
use crate::signals;

/// Folder that results go to unless another is named.
const RESULTS: &str = "isolde-results";

/// Runs the experiment and prints its table.
pub(crate) fn run(arguments: &RunArguments, log: &BundleLog) -> anyhow::Result<ExitCode> {
    let interrupt = signals::interrupt(arguments.quiet)?;
    let mut provisions = resolve::provisions()?;
    let from_file = resolve::plan_file(&arguments.plan)?;
    let how = Bringing { interrupt: &interrupt, quiet: arguments.quiet };
    let brought = brought::asked_for(&arguments.plan, from_file.as_ref(), how)?;
    let brought = brought.as_ref();
    let wanted = resolve::wanted(&arguments.plan, from_file.as_ref());
    let kernel = resolve::wanted_kernel(&arguments.plan, from_file.as_ref());
    provisions.choose_kernel_for([], kernel.as_deref());
    let mut probed = resolve::probe(&wanted, &provisions)?;
    resolve::share_kernel(&mut provisions, &probed, kernel.as_deref())?;
    let facts = host::facts();
    let plan = resolve::plan(&arguments.plan, from_file.clone(), brought, &probed, &facts)?;
    let enough_memory = brought::try_out(brought, &plan, provisions.store(), &interrupt)?;
    let workplace = Workplace::new(plan.resources.clone()).exit_with(Exit::Unfit)?;
    let mut outfits = brought::outfits(&plan, &provisions, brought, how)?;
    let prepared = prepare(&mut outfits, &mut probed, &workplace, &interrupt)?;
    // What could not be prepared has left the ranks of the ready.
    let seed = plan.seed;
    let plan = resolve::plan(&arguments.plan, from_file, brought, &probed, &facts)?;
    let plan = Plan { seed, ..plan };
    let environments: Vec<EnvironmentReport> =
        probed.iter().map(|probed| probed.report.clone()).collect();
    let (path, started) = bundle_path(arguments)?;
    let header = BundleHeader {
        schema: SCHEMA_VERSION,
        isolde: env!("CARGO_PKG_VERSION").to_owned(),
        started,
        state: BundleState::Open,
    };
    let bundle =
        BundleWriter::create(&path, header, &plan, &facts, &environments).map_err(unwritable)?;
    log.open(&isolde_bundle::log_path(&path)).context("the bundle's log cannot be opened")?;
    let environments = probed
        .into_iter()
        .zip(prepared)
        .filter_map(|(probed, prepared)| Some((probed.backend, prepared?)))
        .collect();
    let invocations =
        outfits.into_iter().filter_map(|(name, outfit)| Some((name, outfit.invocation?))).collect();
    let workplace = &workplace;
    let experiment =
        Experiment { plan: &plan, environments, invocations, enough_memory, workplace, bundle };
    let mut progress = if arguments.quiet { Progress::quiet() } else { Progress::stderr() };
    let ended = isolde_runner::run(experiment, &interrupt, &mut |event| progress.on_event(event));
    drop(progress);
    let ended = match ended {
        // Running out of the right to make cgroups is the host's matter.
        Err(error @ RunError::Cgroup(_)) => Err(error).exit_with(Exit::Unfit)?,
        Err(error @ RunError::Bundle(_)) => {
            let before = format!("what was measured before is in {}", path.display());
            Err(error).context(before).exit_with(Exit::Unwritten)?
        }
        other => {
            other.with_context(|| format!("what was measured before is in {}", path.display()))?
        }
    };
    conclude(arguments, &path, &ended)
}

/// Makes what each ready environment needs, before anything is timed. One for
/// which that fails is no longer ready, with the reason.
fn prepare(
    outfits: &mut BTreeMap<String, Outfit>,
    probed: &mut [Probed],
    workplace: &Workplace,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<Option<Roots>>> {
    let mut all = Vec::new();
    for Probed { backend, report } in probed {
        let prepared = match report.readiness.is_ready() {
            true if !interrupt.is_triggered() => {
                match prepare_one(outfits, &**backend, workplace, interrupt) {
                    Ok(roots) => Some(roots),
                    Err(error) => {
                        report.readiness = Readiness::Missing(Missing {
                            what: crate::exit::chain(&error.into()),
                            hint: "see `isolde doctor`".into(),
                            packages: Vec::new(),
                        });
                        None
                    }
                }
            }
            _ => None,
        };
        all.push(prepared);
    }
    if interrupt.is_triggered() {
        return Err(tagged(Exit::Interrupted, "interrupted before the first trial"));
    }
    Ok(all)
}

/// What each application needs in one environment.
fn prepare_one(
    outfits: &mut BTreeMap<String, Outfit>,
    backend: &dyn Backend,
    workplace: &Workplace,
    interrupt: &Interrupt,
) -> Result<Roots, RunError> {
    outfits
        .iter_mut()
        .map(|(name, outfit)| {
            Ok((name.clone(), outfit.provisions.prepare(backend, workplace, interrupt)?))
        })
        .collect()
}

/// A folder that cannot take results was asked for.
fn unwritable(error: BundleError) -> anyhow::Error {
    let exit = match error {
        BundleError::DiskFull { .. } => Exit::Unwritten,
        _ => Exit::Usage,
    };
    let hint = match error {
        BundleError::File { .. } => "; choose another folder with --out",
        _ => "",
    };
    tagged(exit, format!("{}{hint}", crate::exit::chain(&error.into())))
}

fn bundle_path(arguments: &RunArguments) -> anyhow::Result<(PathBuf, String)> {
    let started = isolde_bundle::now_utc();
    let path = match &arguments.out {
        Some(path) => path.clone(),
        None => results_folder(&started),
    };
    Ok((path, started))
}

/// The folder for results of this start unless another is named.
pub(crate) fn results_folder(started: &str) -> PathBuf {
    PathBuf::from(RESULTS).join(started.replace(':', "-"))
}

/// Prints the table and chooses the exit code.
fn conclude(
    arguments: &RunArguments,
    path: &std::path::Path,
    ended: &Ended,
) -> anyhow::Result<ExitCode> {
    for leak in &ended.leaks {
        talk(&format!(
            "warning: left behind: {}: {}; `isolde clean` removes it",
            leak.what, leak.detail
        ));
    }
    let bundle = Bundle::open(path).context("the new bundle cannot be read back")?;
    let summary = Summary::of(&bundle).context("the results cannot be summarised")?;
    super::report::show(&summary, arguments.output.format)?;
    Ok(match ended {
        Ended { state: BundleState::Interrupted, .. } => Exit::Interrupted.into(),
        Ended { failed: 1.., .. } => Exit::TrialsFailed.into(),
        Ended { .. } => ExitCode::SUCCESS,
    })
}
