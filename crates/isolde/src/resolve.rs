//! From arguments to environments and a resolved plan.

use std::fs;

use anyhow::{Context, anyhow};
use isolde_apps::Choice;
use isolde_backends::Backend;
use isolde_image::{Image, Store};
use isolde_model::{
    ByteSize, Deadlines, EnvironmentName, EnvironmentReport, HostFacts, Plan, Preset,
    ProgramSource, Readiness, Resources, SCHEMA_VERSION, Source, Span,
};
use isolde_runner::{Provisions, host};

use crate::args::PlanArguments;
use crate::brought::Brought;
use crate::exit::{Exit, ExitContext, tagged};

/// The word for every environment.
const ALL: &str = "all";
/// What runs unless something else is asked for.
const DEFAULT_APPLICATION: &str = "road-sign";
/// What the others are compared with unless something else is asked for.
const DEFAULT_BASELINE: &str = "process";
/// More vCPUs than the devices of the study have help no application here.
const MOST_CPUS: u32 = 4;

/// A back end and whether it can run here.
pub(crate) struct Probed {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) report: EnvironmentReport,
}

/// The cache and root file system that every command starts from.
pub(crate) fn provisions() -> anyhow::Result<Provisions> {
    let store = store()?;
    // Not the path it was started by: that may have been replaced meanwhile.
    let agent = std::path::Path::new("/proc/self/exe");
    Provisions::new(store, agent).context("this program cannot read itself")
}

/// The same with the root file system of an image.
pub(crate) fn with_image(provisions: &Provisions, image: &Image) -> anyhow::Result<Provisions> {
    let agent = std::path::Path::new("/proc/self/exe");
    provisions.with_image(agent, image).context("the image cannot be used")
}

/// The user's own cache.
///
/// # Errors
/// That it cannot be made, which is the host's matter.
pub(crate) fn store() -> anyhow::Result<Store> {
    Store::open_default().map_err(|error| {
        let why = crate::exit::chain(&error.into());
        let hint = "set XDG_CACHE_HOME to a folder that may be written";
        tagged(Exit::Unfit, format!("the cache cannot be opened: {why}; {hint}"))
    })
}

/// Probes the environments of these names; none means all.
///
/// # Errors
/// An unknown name or one that is given twice: wrong usage.
pub(crate) fn probe(names: &[String], provisions: &Provisions) -> anyhow::Result<Vec<Probed>> {
    let mut chosen: Vec<Box<dyn Backend>> = Vec::new();
    if names.is_empty() || names == [ALL] {
        chosen = isolde_backends::all();
    } else {
        for name in names {
            let name = EnvironmentName::new(name.trim());
            if name.as_str() == ALL {
                let text = format!("`{ALL}` stands alone: leave out the other environments");
                return Err(tagged(Exit::Usage, text));
            }
            if chosen.iter().any(|backend| backend.name() == name) {
                return Err(tagged(
                    Exit::Usage,
                    format!("the environment `{name}` is named twice"),
                ));
            }
            let backend = isolde_backends::find(&name).ok_or_else(|| unknown(&name))?;
            chosen.push(backend);
        }
    }
    let probed = |backend: Box<dyn Backend>| {
        let report = EnvironmentReport {
            environment: backend.name(),
            description: backend.description().to_owned(),
            readiness: provisions.readiness(&*backend),
        };
        Probed { backend, report }
    };
    Ok(chosen.into_iter().map(probed).collect())
}

/// The release that guests are to boot: by argument, else by the plan file.
pub(crate) fn wanted_kernel(arguments: &PlanArguments, from_file: Option<&Plan>) -> Option<String> {
    arguments.kernel.clone().or_else(|| from_file.and_then(|plan| plan.kernel.clone()))
}

/// Has all ready environments that boot a kernel boot the same one.
///
/// # Errors
/// That a kernel is asked for, but none of the environments boots one: wrong usage.
pub(crate) fn share_kernel(
    provisions: &mut Provisions,
    probed: &[Probed],
    release: Option<&str>,
) -> anyhow::Result<()> {
    if release.is_some() && probed.iter().all(|probed| probed.backend.guest().is_none()) {
        let text = "these environments run on the host's kernel: leave out --kernel";
        return Err(tagged(Exit::Usage, text));
    }
    let ready = probed.iter().filter(|probed| probed.report.readiness.is_ready());
    provisions.choose_kernel_for(ready.map(|probed| &*probed.backend), release);
    Ok(())
}

fn unknown(name: &EnvironmentName) -> anyhow::Error {
    let known: Vec<String> =
        isolde_backends::all().iter().map(|backend| backend.name().to_string()).collect();
    let known = known.join(", ");
    tagged(Exit::Usage, format!("unknown environment `{name}`: known are {known}, and `{ALL}`"))
}

/// Resolves the arguments, and what they bring, to a plan over the
/// environments that are ready.
///
/// # Errors
/// Wrong usage, or a host on which nothing of it can run.
pub(crate) fn plan(
    arguments: &PlanArguments,
    from_file: Option<Plan>,
    brought: Option<&Brought>,
    probed: &[Probed],
    facts: &HostFacts,
) -> anyhow::Result<Plan> {
    let ready: Vec<EnvironmentName> = probed
        .iter()
        .filter(|probed| probed.report.readiness.is_ready())
        .map(|probed| probed.report.environment.clone())
        .collect();
    if ready.is_empty() {
        return Err(tagged(Exit::Unfit, nothing_ready(probed)));
    }
    let mut plan = match from_file {
        Some(plan) => plan,
        None => preset(arguments.preset.unwrap_or(Preset::Quick), facts)?,
    };
    let wanted_baseline = arguments.baseline.as_deref().unwrap_or(plan.baseline.as_str());
    plan.baseline = baseline(wanted_baseline, arguments.baseline.is_some(), probed, &ready)?;
    plan.environments = ready;
    match brought {
        Some(Brought::Program { name, source }) => run_only(&mut plan, name, source),
        Some(Brought::Model(model)) => model.enter(&mut plan),
        None => {}
    }
    let from_preset = arguments.plan.is_none() && brought.is_none();
    overlay(&mut plan, arguments);
    check_applications(&plan)?;
    if from_preset && arguments.inferences.is_none() {
        keep_pace(&mut plan, arguments.warm_up.is_none());
    }
    plan.check().exit_with(Exit::Usage)?;
    host::check_resources(&plan.resources, facts).exit_with(Exit::Usage)?;
    Ok(plan)
}

/// Reads a plan file.
///
/// # Errors
/// That it cannot be read or says something that a plan does not have.
pub(crate) fn plan_file(arguments: &PlanArguments) -> anyhow::Result<Option<Plan>> {
    let Some(path) = &arguments.plan else { return Ok(None) };
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the plan {}", path.display()))
        .exit_with(Exit::Usage)?;
    let plan = toml::from_str(&text)
        .with_context(|| format!("{} is not a plan", path.display()))
        .exit_with(Exit::Usage)?;
    Ok(Some(plan))
}

/// The environments that are asked for: by argument, else by the plan file.
pub(crate) fn wanted(arguments: &PlanArguments, from_file: Option<&Plan>) -> Vec<String> {
    match from_file {
        Some(plan) if arguments.environments.is_empty() => {
            plan.environments.iter().map(ToString::to_string).collect()
        }
        _ => arguments.environments.clone(),
    }
}

fn nothing_ready(probed: &[Probed]) -> String {
    let mut text = String::from("no environment can run on this host");
    for Probed { report, .. } in probed {
        if let Readiness::Missing(missing) = &report.readiness {
            let name = &report.environment;
            text.push_str(&format!("\n  {name}: {}; {}", missing.what, missing.hint));
        }
    }
    text
}

fn baseline(
    wanted: &str,
    insisted: bool,
    probed: &[Probed],
    ready: &[EnvironmentName],
) -> anyhow::Result<EnvironmentName> {
    let wanted = EnvironmentName::new(wanted);
    if ready.contains(&wanted) {
        return Ok(wanted);
    }
    if !insisted {
        return ready.first().cloned().ok_or_else(|| anyhow!("no environment is ready"));
    }
    if isolde_backends::find(&wanted).is_none() {
        return Err(unknown(&wanted));
    }
    let missing = probed.iter().find(|probed| probed.report.environment == wanted);
    Err(match missing.map(|probed| &probed.report.readiness) {
        Some(Readiness::Missing(missing)) => {
            let text =
                format!("the baseline `{wanted}` cannot run: {}; {}", missing.what, missing.hint);
            tagged(Exit::Unfit, text)
        }
        _ => {
            let text =
                format!("the baseline `{wanted}` is not among the environments: add it to --on");
            tagged(Exit::Usage, text)
        }
    })
}

fn check_applications(plan: &Plan) -> anyhow::Result<()> {
    for name in &plan.applications {
        let own = name.parse::<Choice>();
        match (own, plan.sources.contains_key(name)) {
            (Ok(_), false) | (Err(_), true) => {}
            (Ok(_), true) => {
                let text =
                    format!("the plan brings `{name}`, which is an application of Isolde's own");
                return Err(tagged(Exit::Usage, text));
            }
            (Err(unknown), false) => {
                return Err(tagged(Exit::Usage, format!("{unknown}; see `isolde app list`")));
            }
        }
    }
    Ok(())
}

/// A preset on this host.
fn preset(preset: Preset, facts: &HostFacts) -> anyhow::Result<Plan> {
    let (launches, inferences, warm_up, budget) = match preset {
        Preset::Quick => (10, 300, 50, Some(Span(std::time::Duration::from_secs(105)))),
        Preset::Full => (30, 1000, 100, None),
    };
    let mut seed = [0; 8];
    rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())
        .context("the system gives no random numbers")?;
    Ok(Plan {
        schema: SCHEMA_VERSION,
        preset,
        // TOML's whole numbers are signed.
        seed: u64::from_le_bytes(seed) >> 1,
        applications: vec![DEFAULT_APPLICATION.to_owned()],
        environments: Vec::new(),
        launches,
        inferences,
        warm_up,
        baseline: EnvironmentName::new(DEFAULT_BASELINE),
        include_emulated: false,
        kernel: None,
        budget,
        resources: Resources {
            cpus: facts.cpu.cpus.clamp(1, MOST_CPUS),
            memory: ByteSize::mebibytes(512),
            threads: 1.into(),
        },
        deadlines: Deadlines::default(),
        sources: std::collections::BTreeMap::new(),
    })
}

/// Inferences of a program of the user's that are kept apart unless more are
/// asked for: how many it does is its own matter.
const PROGRAM_WARM_UP: u32 = 1;

/// Makes the program the only application.
fn run_only(plan: &mut Plan, name: &str, source: &ProgramSource) {
    plan.applications = vec![name.to_owned()];
    plan.sources = [(name.to_owned(), Source::Program(source.clone()))].into();
    plan.warm_up = PROGRAM_WARM_UP;
    plan.inferences = source.inferences.unwrap_or(plan.inferences);
}

/// The word for every application of Isolde's own in compact size.
const EVERY_APPLICATION: &str = "all";

/// An application's name as a plan has it, of which `compact` is never part.
fn written(name: &str) -> Vec<String> {
    match name.parse::<Choice>() {
        _ if name == EVERY_APPLICATION => {
            isolde_apps::all().iter().map(|description| description.name.to_owned()).collect()
        }
        Ok(choice) => vec![choice.to_string()],
        // Of the plan file, or refused when the plan is checked.
        Err(_) => vec![name.to_owned()],
    }
}

/// Lets launches take no longer than their slowest application allows: one number of
/// inferences holds for all. Full has as many more as its preset has.
fn keep_pace(plan: &mut Plan, warm_up: bool) {
    let choices = plan.applications.iter().filter_map(|name| name.parse::<Choice>().ok());
    let Some(slowest) = choices.map(|choice| choice.pace()).min() else { return };
    let pace = match plan.preset {
        Preset::Quick => slowest,
        Preset::Full => slowest * 10 / 3,
    };
    plan.inferences = plan.inferences.min(pace.max(1));
    if warm_up {
        plan.warm_up = plan.warm_up.min((plan.inferences / 6).max(1));
    }
}

/// What is said on the command line goes before preset and plan file.
fn overlay(plan: &mut Plan, arguments: &PlanArguments) {
    if !arguments.applications.is_empty() {
        plan.applications = arguments.applications.iter().flat_map(|name| written(name)).collect();
    }
    if let Some(launches) = arguments.launches {
        plan.launches = launches;
        // So many launches were asked for, however long they take.
        plan.budget = None;
    }
    if let Some(inferences) = arguments.inferences {
        plan.inferences = inferences;
        for source in plan.sources.values_mut() {
            if let Source::Program(program) = source {
                program.inferences = Some(inferences);
            }
        }
    }
    plan.deadlines.job = arguments.program.timeout.unwrap_or(plan.deadlines.job);
    plan.warm_up = arguments.warm_up.unwrap_or(plan.warm_up);
    plan.resources.cpus = arguments.cpus.unwrap_or(plan.resources.cpus);
    plan.resources.memory = arguments.memory.unwrap_or(plan.resources.memory);
    if let Some(threads) = &arguments.threads {
        plan.resources.threads.clone_from(threads);
    }
    plan.seed = arguments.seed.unwrap_or(plan.seed);
    plan.include_emulated |= arguments.include_emulated;
    if arguments.kernel.is_some() {
        plan.kernel.clone_from(&arguments.kernel);
    }
}
