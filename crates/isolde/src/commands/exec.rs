//! `isolde exec`: a static command in a sandbox.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use isolde_agent::protocol::{CommandEnding, ExecJob};
use isolde_model::{Deadlines, Readiness, Resources};
use isolde_runner::{
    ExecRequest, ExecResult, Interrupt, Provisions, RunError, Workplace, check_static, exec, host,
};

use crate::args::ExecArguments;
use crate::exit::{Exit, ExitContext, tagged};
use crate::output::talk;
use crate::resolve::{self, Probed};
use crate::signals;

/// Runs the command in each environment in turn.
pub(crate) fn run(arguments: &ExecArguments) -> anyhow::Result<ExitCode> {
    let interrupt = signals::interrupt()?;
    let mut provisions = resolve::provisions()?;
    let probed = resolve::probe(&arguments.environments, &provisions)?;
    let resources = Resources { cpus: arguments.cpus, memory: arguments.memory, threads: 1 };
    if resources.cpus == 0 {
        return Err(tagged(Exit::Usage, "the number of CPUs is 0: give --cpus 1 or more"));
    }
    host::check_resources(&resources, &host::facts_without_kvm()).exit_with(Exit::Usage)?;
    let job = bring(&mut provisions, &arguments.command)?;
    let workplace = Workplace::new(resources).exit_with(Exit::Unfit)?;
    let several = probed.len() > 1;
    let mut first_failure = None;
    let mut any_ran = false;
    for (number, probed) in (0..).zip(&probed) {
        let name = &probed.report.environment;
        match &probed.report.readiness {
            Readiness::Missing(missing) => {
                talk(&format!("{name} cannot run: {}; {}", missing.what, missing.hint));
            }
            Readiness::Ready(_) => {
                if several && !arguments.quiet {
                    talk(&format!("── {name}"));
                }
                let code = run_in(
                    arguments,
                    probed,
                    &mut provisions,
                    &workplace,
                    number,
                    &job,
                    &interrupt,
                )?;
                any_ran = true;
                first_failure = first_failure.or((code != 0).then_some(code));
            }
        }
    }
    match (any_ran, first_failure) {
        (false, _) => Ok(Exit::Unfit.into()),
        (true, code) => Ok(ExitCode::from(code.unwrap_or(0))),
    }
}

/// Finds the command on this host and puts it into the root file system, at
/// the same place.
fn bring(provisions: &mut Provisions, command: &[String]) -> anyhow::Result<ExecJob> {
    let name = command.first().context("the command is empty")?;
    let program = find(name).ok_or_else(|| {
        tagged(Exit::Usage, format!("there is no command `{name}` on this host: give its path"))
    })?;
    check_static(&program).exit_with(Exit::Usage)?;
    let inside = Path::new("/bin").join(program.file_name().unwrap_or(program.as_os_str()));
    provisions
        .bring(&program, &inside)
        .with_context(|| format!("{} cannot be brought along", program.display()))?;
    let relative = inside.strip_prefix("/").unwrap_or(&inside);
    Ok(ExecJob { program: relative.to_string_lossy().into_owned(), argv: command.to_vec() })
}

/// The executable that a shell would find.
fn find(name: &str) -> Option<PathBuf> {
    let is_file = |path: &PathBuf| path.is_file();
    if name.contains('/') {
        return std::fs::canonicalize(name).ok().filter(is_file);
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(is_file)?;
    // Not the link's target: a multi-call program goes by its name.
    Some(found)
}

fn run_in(
    arguments: &ExecArguments,
    probed: &Probed,
    provisions: &mut Provisions,
    workplace: &Workplace,
    number: u32,
    job: &ExecJob,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    let name = &probed.report.environment;
    let prepared = provisions.prepare(&*probed.backend).exit_with(Exit::Unfit)?;
    let request = ExecRequest {
        backend: &*probed.backend,
        prepared: &prepared,
        workplace,
        number,
        job: job.clone(),
        deadlines: Deadlines { job: arguments.timeout, ..Deadlines::default() },
        stdout: &mut io::stdout(),
        stderr: &mut io::stderr(),
    };
    let result = exec(request, interrupt);
    for leak in probed.backend.retire() {
        talk(&format!("warning: left behind: {}: {}", leak.what, leak.detail));
    }
    match result {
        Ok(result) => Ok(status(name.as_str(), &result)),
        Err(RunError::Interrupted) => Err(tagged(Exit::Interrupted, "interrupted")),
        Err(error @ RunError::Exec { .. }) => Err(error).exit_with(Exit::TrialsFailed),
        Err(error @ RunError::Cgroup(_)) => Err(error).exit_with(Exit::Unfit),
        Err(error) => Err(error.into()),
    }
}

/// The exit status as a shell would give it.
fn status(environment: &str, result: &ExecResult) -> u8 {
    if result.out_of_memory {
        talk(&format!(
            "{environment}: the kernel killed the command for want of memory; give more with --memory"
        ));
    }
    let CommandEnding { status, signal, .. } = result.ending;
    let code = status.unwrap_or_else(|| 128 + signal.unwrap_or(0));
    u8::try_from(code & 0xff).unwrap_or(u8::MAX)
}
