//! `isolde exec`: one command in a sandbox.

use std::io::{self, Write};
use std::process::ExitCode;

use isolde_agent::protocol::{CommandEnding, ExecJob};
use isolde_model::{Deadlines, Readiness, Resources};
use isolde_runner::{
    ExecRequest, ExecResult, Interrupt, Provisions, RunError, Workplace, exec, host,
};

use crate::args::ExecArguments;
use crate::commands::image::{self, Bringing};
use crate::exit::{Exit, ExitContext, tagged};
use crate::output::talk;
use crate::resolve::{self, Probed};
use crate::{brought, files, signals};

/// Status of a program that wrote to a pipe whose reader had gone: 128 + SIGPIPE.
pub(crate) const READER_GONE: u8 = 141;

/// How the command ended in one environment.
enum Done {
    /// It ran; its status.
    Ran(u8),
    /// It could not be run, which is told.
    Failed(Exit),
    /// Nobody wants its output any more.
    ReaderGone,
}

/// Runs the command in each environment in turn; one where that fails keeps it
/// from none of the others.
pub(crate) fn run(arguments: &ExecArguments) -> anyhow::Result<ExitCode> {
    let interrupt = signals::interrupt(arguments.quiet)?;
    let mut provisions = resolve::provisions()?;
    let kernel = arguments.kernel.as_deref();
    provisions.choose_kernel_for([], kernel);
    let probed = resolve::probe(&arguments.environments, &provisions)?;
    resolve::share_kernel(&mut provisions, &probed, kernel)?;
    let resources = Resources { cpus: arguments.cpus, memory: arguments.memory, threads: 1.into() };
    check(arguments, &resources)?;
    let how = Bringing { interrupt: &interrupt, quiet: arguments.quiet };
    let (mut provisions, job) = outfit(arguments, provisions, how)?;
    let workplace = Workplace::new(resources).exit_with(Exit::Unfit)?;
    let several = probed.len() > 1;
    let mut codes = Vec::new();
    for (number, probed) in (0..).zip(&probed) {
        let name = &probed.report.environment;
        if let Readiness::Missing(missing) = &probed.report.readiness {
            talk(&format!("{name} cannot run: {}; {}", missing.what, missing.hint));
            continue;
        }
        if several && !arguments.quiet {
            talk(&format!("── {name}"));
        }
        let place = Place { provisions: &mut provisions, workplace: &workplace, number };
        match run_in(arguments, probed, place, &job, &interrupt)? {
            Done::Ran(code) => codes.push(ExitCode::from(code)),
            Done::Failed(exit) => codes.push(exit.into()),
            Done::ReaderGone => return Ok(READER_GONE.into()),
        }
    }
    if codes.is_empty() {
        return Ok(Exit::Unfit.into());
    }
    Ok(codes.into_iter().find(|code| *code != ExitCode::SUCCESS).unwrap_or(ExitCode::SUCCESS))
}

fn check(arguments: &ExecArguments, resources: &Resources) -> anyhow::Result<()> {
    if resources.cpus == 0 {
        return Err(tagged(Exit::Usage, "the number of CPUs is 0: give --cpus 1 or more"));
    }
    if arguments.timeout.0.is_zero() {
        return Err(tagged(Exit::Usage, "the timeout is 0: give --timeout 1s or more"));
    }
    host::check_resources(resources, &host::facts_without_kvm()).exit_with(Exit::Usage)
}

/// The root file system, and what is run in it. Words replace both the entry
/// point and the command of an image. What is brought may be written to.
fn outfit(
    arguments: &ExecArguments,
    provisions: Provisions,
    how: Bringing<'_>,
) -> anyhow::Result<(Provisions, ExecJob)> {
    let files = files::parse(&arguments.bring)?;
    let (mut provisions, invocation) = match &arguments.image {
        Some(reference) => {
            let image = image::bring(provisions.store(), reference, how)?;
            let own = [&image.config.entrypoint[..], &image.config.cmd].concat();
            let words = &arguments.command;
            let argv = if words.is_empty() { own } else { words.clone() };
            (resolve::with_image(&provisions, &image)?, brought::of_image(&image, argv)?)
        }
        None => {
            let mut provisions = if files.is_empty() { provisions } else { provisions.writable() };
            let invocation = brought::of_host(&arguments.command)?;
            brought::bring_command(&mut provisions, &arguments.command[0])?;
            (provisions, invocation)
        }
    };
    files::bring(&mut provisions, &files)?;
    Ok((provisions, ExecJob { invocation }))
}

/// Where a sandbox is put and what it is made from.
struct Place<'a> {
    provisions: &'a mut Provisions,
    workplace: &'a Workplace,
    number: u32,
}

fn run_in(
    arguments: &ExecArguments,
    probed: &Probed,
    place: Place<'_>,
    job: &ExecJob,
    interrupt: &Interrupt,
) -> anyhow::Result<Done> {
    let prepared = place.provisions.prepare(&*probed.backend, place.workplace, interrupt);
    if interrupt.is_triggered() {
        return Err(tagged(Exit::Interrupted, "interrupted"));
    }
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Ok(failed(error, Exit::Unfit)),
    };
    let mut stdout = Passing::new(io::stdout());
    let mut stderr = Passing::new(io::stderr());
    let request = ExecRequest {
        backend: &*probed.backend,
        prepared: &prepared,
        workplace: place.workplace,
        number: place.number,
        job: job.clone(),
        deadlines: Deadlines { job: arguments.timeout, ..Deadlines::default() },
        stdout: &mut stdout,
        stderr: &mut stderr,
    };
    let result = exec(request, interrupt);
    for leak in probed.backend.retire() {
        talk(&format!("warning: left behind: {}: {}", leak.what, leak.detail));
    }
    let refused = stdout.refused.or(stderr.refused);
    match result {
        Ok(result) => Ok(Done::Ran(status_of(probed.report.environment.as_str(), &result))),
        Err(RunError::Interrupted) => Err(tagged(Exit::Interrupted, "interrupted")),
        Err(_) if refused == Some(io::ErrorKind::BrokenPipe) => Ok(Done::ReaderGone),
        Err(error) if refused.is_some() => Ok(failed(error, Exit::Unwritten)),
        Err(error @ RunError::Exec { .. }) => Ok(failed(error, Exit::TrialsFailed)),
        Err(error @ RunError::Cgroup(_)) => Err(error).exit_with(Exit::Unfit),
        Err(error) => Err(error.into()),
    }
}

fn failed(error: RunError, exit: Exit) -> Done {
    talk(&format!("error: {}", crate::exit::chain(&error.into())));
    Done::Failed(exit)
}

/// Passes bytes on and remembers whether they were refused: not the command's
/// failure but ours, or that of whoever reads them.
pub(crate) struct Passing<W> {
    to: W,
    refused: Option<io::ErrorKind>,
}

impl<W: Write> Passing<W> {
    pub(crate) const fn new(to: W) -> Self {
        Self { to, refused: None }
    }

    /// How they were refused, if they were.
    pub(crate) const fn refused(&self) -> Option<io::ErrorKind> {
        self.refused
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.refused = Some(error.kind());
        }
        result
    }
}

impl<W: Write> Write for Passing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.to.flush();
        self.note(flushed)
    }
}

/// The exit status as a shell would give it.
pub(crate) fn status_of(environment: &str, result: &ExecResult) -> u8 {
    if result.out_of_memory {
        talk(&format!(
            "{environment}: the kernel killed the command for want of memory; give more with --memory"
        ));
    }
    let CommandEnding { status, signal, .. } = result.ending;
    let code = status.unwrap_or_else(|| 128 + signal.unwrap_or(0));
    u8::try_from(code & 0xff).unwrap_or(u8::MAX)
}
