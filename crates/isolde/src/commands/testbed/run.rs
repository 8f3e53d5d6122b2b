//! `isolde testbed run`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use isolde_runner::Interrupt;
use isolde_testbed::{Archive, Command, Deterministic, Device, FOLDER, Limits, Outlets};

use super::args::RunArguments;
use super::{bring, build, check_size, told};
use crate::commands::exec::{Passing, READER_GONE, status_of};
use crate::exit::{Exit, tagged};
use crate::output::{print_bytes, talk};
use crate::{resolve, signals};

/// Where a program of the user's goes, by its own name.
const PROGRAMS: &str = "/testbed/bin";

/// Where `isolde run` on the device puts its results.
const BUNDLE: &str = "/results/bundle";

/// Runs the command on the device and brings its results out.
pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let interrupt = signals::interrupt(true)?;
    let mut order = Order::of(arguments)?;
    let cpus = arguments.device.cpus;
    check_size(cpus, arguments.device.memory)?;
    let provisions = resolve::provisions()?;
    let store = provisions.store().clone();
    let mut brought = bring::gather(&arguments.device, &store)?;
    if let Some(program) = &arguments.program {
        brought.files.push((bring::asked_for(program, "--program")?, place_of(program)));
    }
    let quiet = arguments.device.quiet;
    let built = build::make(&store, &arguments.device.recipe, quiet, &interrupt)?;
    order.command.kernel = brought.kernel(arguments.device.kernel.as_deref(), &built)?;
    let agent = Path::new("/proc/self/exe");
    if arguments.deterministic {
        let (memory, files) = (arguments.device.memory, brought.files);
        let device = Deterministic { store: &store, agent, built: &built, memory, files };
        return record(&device, &order, &interrupt, quiet);
    }
    let device = Device {
        provisions: &provisions,
        agent,
        built: &built,
        cpus,
        memory: arguments.device.memory,
        files: brought.files,
    };
    carry_out(&device, &order, &interrupt, quiet)
}

/// What runs, and where its results go.
struct Order {
    command: Command,
    out: Option<PathBuf>,
}

impl Order {
    fn of(arguments: &RunArguments) -> anyhow::Result<Self> {
        if arguments.timeout.0.is_zero() {
            return Err(tagged(Exit::Usage, "the timeout is 0: give --timeout 1s or more"));
        }
        let words = &arguments.words;
        let is_run = arguments.program.is_none() && words.first().is_some_and(|word| word == "run");
        let mut argv = match &arguments.program {
            Some(program) => vec![place_of(program).display().to_string()],
            None => vec!["isolde".to_owned()],
        };
        argv.extend(words.iter().cloned());
        if is_run {
            if own_words(words).iter().any(|word| *word == "--out" || word.starts_with("--out=")) {
                let text =
                    "--out names a folder on the device: give it to `testbed run`, before --";
                return Err(tagged(Exit::Usage, text));
            }
            argv.splice(2..2, ["--out".to_owned(), BUNDLE.to_owned()]);
        }
        let out = match &arguments.out {
            Some(out) => Some(out.clone()),
            None if is_run => Some(crate::commands::run::results_folder(&isolde_bundle::now_utc())),
            None => None,
        };
        if let Some(out) = &out {
            check_target(out)?;
        }
        let folder = if is_run { BUNDLE } else { FOLDER };
        let command = Command {
            argv,
            env: require(),
            docker: wants_docker(words, arguments.program.is_some()),
            kernel: None,
            results: out.as_ref().map(|_| folder.to_owned()),
            limit: arguments.timeout,
        };
        Ok(Self { command, out })
    }
}

/// Where a program of this host goes.
fn place_of(program: &Path) -> PathBuf {
    Path::new(PROGRAMS).join(program.file_name().unwrap_or_default())
}

/// Words before `--`, which are this program's.
fn own_words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).take_while(|word| *word != "--").collect()
}

/// Whether the Docker daemon is needed: where the words name it or no environment at
/// all; for another program, only where they name it.
fn wants_docker(words: &[String], other_program: bool) -> bool {
    let own = own_words(words);
    let names = |word: &str| {
        let word = word.trim_start_matches("--on=");
        word.split(',').any(|name| name == "docker" || name == "all" || name.starts_with("docker:"))
    };
    let uses = ["run", "plan", "exec", "doctor", "environments"];
    let named = own.iter().any(|word| *word == "--on" || word.starts_with("--on="));
    let all = own.first().is_some_and(|word| uses.contains(word)) && !named;
    own.iter().any(|word| names(word)) || (all && !other_program)
}

/// Variables that say what a test requires go along.
fn require() -> Vec<String> {
    let names = ["ISOLDE_REQUIRE", "NO_COLOR"];
    let set = |name: &str| Some(format!("{name}={}", std::env::var(name).ok()?));
    names.iter().filter_map(|name| set(name)).collect()
}

/// That results can go there: told before the device runs for minutes.
fn check_target(out: &Path) -> anyhow::Result<()> {
    let taken = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    match taken {
        true => Err(tagged(
            Exit::Usage,
            format!("{} is not an empty folder; choose another with --out", out.display()),
        )),
        false => Ok(()),
    }
}

fn carry_out(
    device: &Device<'_>,
    order: &Order,
    interrupt: &Interrupt,
    quiet: bool,
) -> anyhow::Result<ExitCode> {
    let mut stdout = Passing::new(io::stdout());
    let mut stderr = Passing::new(io::stderr());
    let outlets = Outlets { stdout: &mut stdout, stderr: &mut stderr };
    let outcome = device.run(&order.command, outlets, interrupt);
    if outcome.is_err() && stdout.refused().or(stderr.refused()) == Some(io::ErrorKind::BrokenPipe)
    {
        return Ok(READER_GONE.into());
    }
    let outcome = told(outcome, interrupt)?;
    let status = status_of("testbed", &outcome.exec);
    if let (Some(archive), Some(out)) = (outcome.results, &order.out) {
        keep(archive, out, interrupt, quiet)?;
    }
    Ok(status.into())
}

/// The same on a device that speaks when all is over.
fn record(
    device: &Deterministic<'_>,
    order: &Order,
    interrupt: &Interrupt,
    quiet: bool,
) -> anyhow::Result<ExitCode> {
    let recorded = told(device.run(&order.command, interrupt), interrupt)?;
    // Nobody is left to tell when standard error is gone.
    let _ = io::stderr().write_all(&recorded.stderr);
    print_bytes(&recorded.stdout)?;
    if let (Some(archive), Some(out)) = (recorded.results, &order.out) {
        keep(archive, out, interrupt, quiet)?;
    }
    Ok(recorded.status.into())
}

fn keep(archive: Archive, out: &Path, interrupt: &Interrupt, quiet: bool) -> anyhow::Result<()> {
    told(archive.unpack(out, Limits::default()), interrupt)?;
    if !quiet {
        talk(&format!("the results came out of the device: {}", out.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn docker_is_started_where_it_may_be_asked_for() {
        for (text, wants) in [
            ("doctor", true),
            ("run", true),
            ("run --on process,docker", true),
            ("run --on=docker:runsc", true),
            ("exec --on all -- true", true),
            ("run --on process,firecracker", false),
            ("exec --on process -- docker", false),
            ("kernel list", false),
        ] {
            assert_eq!(wants_docker(&words(text), false), wants, "{text}");
        }
        assert!(wants_docker(&words("docker"), true) && !wants_docker(&words("run"), true));
    }
}
