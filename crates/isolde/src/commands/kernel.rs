//! `isolde kernel`: the kernels that virtual machines can boot.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use isolde_backends::Backend;
use isolde_image::{
    FoundKernel, HostKernel, ImageError, KernelSource, Watch, add_kernel, build_kernel,
    choose_kernel, find_kernels,
};
use isolde_model::{Bootable, KernelReport, SCHEMA_VERSION};
use isolde_report::{Style, render_kernels};
use serde::Serialize;

use crate::args::{
    Format, KernelAddArguments, KernelBuildArguments, KernelCommand, OutputArguments,
};
use crate::exit::{Exit, ExitContext, chain, tagged};
use crate::output::{print, print_json, takes_colour, talk};
use crate::{resolve, signals};

#[derive(Serialize)]
struct Listing {
    schema: u32,
    kernels: Vec<KernelReport>,
}

/// Does what the subcommand says.
pub(crate) fn run(command: &KernelCommand) -> anyhow::Result<ExitCode> {
    match command {
        KernelCommand::List(output) => list(output),
        KernelCommand::Add(arguments) => add(arguments),
        KernelCommand::Build(arguments) => build(arguments),
    }
}

/// Prints every kernel, best first, and which one guests boot by default.
fn list(output: &OutputArguments) -> anyhow::Result<ExitCode> {
    let store = resolve::store()?;
    // Whether the technology is installed has no say: what it could boot has.
    let backends = isolde_backends::all();
    let guests: Vec<&dyn Backend> = backends
        .iter()
        .map(|backend| &**backend)
        .filter(|backend| backend.guest().is_some())
        .collect();
    let needs: Vec<_> = guests.iter().filter_map(|backend| backend.guest()).collect();
    let default = choose_kernel(&store, &needs, None).ok();
    let found = find_kernels(&store);
    let kernels: Vec<_> =
        found.into_iter().map(|found| report(found, &guests, default.as_ref())).collect();
    if kernels.is_empty() {
        talk(
            "there is no kernel: `isolde doctor --install` brings one, `isolde kernel add` takes one",
        );
    }
    match output.format {
        Format::Text => print(&render_kernels(&kernels, Style { colour: takes_colour() }))?,
        Format::Json => print_json(&Listing { schema: SCHEMA_VERSION, kernels })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn report(
    found: FoundKernel,
    guests: &[&dyn Backend],
    default: Option<&HostKernel>,
) -> KernelReport {
    let mut report = KernelReport {
        release: None,
        image: found.image.display().to_string(),
        origin: found.origin,
        machine: None,
        modular: false,
        environments: Vec::new(),
        default: None,
        problem: None,
    };
    match found.kernel {
        Err(error) => report.problem = Some(chain(&error.into())),
        Ok(kernel) => {
            let bootable = |backend: &&dyn Backend| {
                let needs = backend.guest()?;
                Some(Bootable {
                    environment: backend.name(),
                    machine_type: needs.to_string(),
                    lacks: kernel.lacks(&needs),
                })
            };
            report.environments = guests.iter().filter_map(bootable).collect();
            report.default = default.filter(|default| **default == kernel).map(why);
            report.machine = Some(kernel.machine.name().to_owned());
            report.modular = kernel.modules.is_some_and(|folder| folder.join("kernel").is_dir());
            report.release = Some(kernel.release);
        }
    }
    report
}

fn why(kernel: &HostKernel) -> String {
    let running = rustix::system::uname().release().to_string_lossy().into_owned();
    if kernel.release == running {
        "the host's own".into()
    } else {
        format!("the newest that boots them all; the host's own, {running}, is not among them")
    }
}

/// Takes a kernel into the cache.
fn add(arguments: &KernelAddArguments) -> anyhow::Result<ExitCode> {
    let store = resolve::store()?;
    let kernels = add_kernel(&store, &arguments.files).map_err(|error| {
        let exit = match &error {
            ImageError::File { action: "write" | "make", .. } => Exit::Unwritten,
            _ => Exit::Usage,
        };
        tagged(exit, chain(&error.into()))
    })?;
    for kernel in kernels {
        talk(&format!("kernel {} is in the cache; `isolde kernel list` shows it", kernel.release));
    }
    Ok(ExitCode::SUCCESS)
}

/// Between two words on what is being compiled.
const PAUSE: Duration = Duration::from_secs(5);

/// Builds a kernel into the cache.
fn build(arguments: &KernelBuildArguments) -> anyhow::Result<ExitCode> {
    let interrupt = signals::interrupt(true)?;
    let store = resolve::store()?;
    let source = arguments.source.clone().map_or(KernelSource::Distribution, KernelSource::Archive);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.map_or(cpus, usize::from);
    let began = Instant::now();
    let mut told: Option<Instant> = None;
    let mut progress = |line: &str| {
        let due = told.is_none_or(|at| at.elapsed() >= PAUSE);
        let warning = line.starts_with("warning: ");
        let of_tools = line.starts_with("make") || line.starts_with('#') || line.is_empty();
        if !arguments.quiet && (warning || due && !of_tools) {
            talk(&format!("{:>4} s  {line}", began.elapsed().as_secs()));
            told = Some(Instant::now());
        }
    };
    let mut watch = Watch { progress: &mut progress, stopped: &|| interrupt.is_triggered() };
    let kernel = match build_kernel(&store, &source, jobs, &mut watch) {
        Err(ImageError::Interrupted) => {
            return Err(tagged(Exit::Interrupted, "interrupted; nothing was kept"));
        }
        built => built.exit_with(Exit::Unfit)?,
    };
    talk(&format!("kernel {} is in the cache; `isolde kernel list` shows it", kernel.release));
    Ok(ExitCode::SUCCESS)
}
