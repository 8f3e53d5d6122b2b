//! What every environment must do. Each check leaves the stage as it found it.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use isolde_backends::{BackendError, Ending};
use isolde_model::{Deadlines, FailureKind, Mark, Span, Stage as LaunchStage};

use crate::stage::{Stage, ending, failure, text};

pub(crate) type Check = fn(&mut Stage) -> Result<(), String>;

pub(crate) const ALL: [(&str, Check); 15] = [
    ("output and exit status come through", output_and_status),
    ("a signal is told from a status", signal),
    ("20 MiB of output come through", big_output),
    ("a command that is not there is told", missing_command),
    ("orphans and open descriptors do not hold it up", orphans),
    ("the CPUs asked for are seen", cpus),
    ("the time is the host's, random numbers are nobody else's", time_and_random_numbers),
    ("the root cannot be written, /tmp can", read_only_root),
    ("memory running out is told", out_of_memory),
    ("a command that does not end is ended", time_out),
    ("a panic of its own kernel is a crash", kernel_panic),
    ("waiting ends with the deadline", wait_time_out),
    ("kill and destroy may be repeated", kill_and_destroy_twice),
    ("the agent ends when the host hangs up", hang_up),
    ("dropping takes everything down", drop_without_destroy),
];

pub(crate) fn expect(
    what: &str,
    condition: bool,
    found: impl std::fmt::Debug,
) -> Result<(), String> {
    if condition { Ok(()) } else { Err(format!("{what}: {found:?}")) }
}

/// A deadline for a start, however busy the host is.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

fn output_and_status(stage: &mut Stage) -> Result<(), String> {
    let done = stage.busybox(&["sh", "-c", "echo out; echo err >&2; exit 7"]).map_err(text)?;
    expect("status", ending(&done) == (Some(7), None), done.result.ending)?;
    expect("stdout", done.stdout == b"out\n", &done.stdout)?;
    expect("stderr", done.stderr == b"err\n", &done.stderr)?;
    let marks: Vec<Mark> = done.result.marks.iter().map(|stamp| stamp.mark).collect();
    let mut expected = vec![
        Mark::Requested,
        Mark::SandboxStarted,
        Mark::AgentUp,
        Mark::WorkDone,
        Mark::ExitSeen,
        Mark::TornDown,
    ];
    if stage.boots_a_kernel() {
        expected.insert(2, Mark::KernelEntered);
    }
    expect("marks", marks == expected, &marks)?;
    let sorted = done.result.marks.is_sorted_by_key(|stamp| stamp.at_ns);
    expect("stamps", sorted, &done.result.marks)?;
    let reading = done.result.reading.ok_or("nothing was read")?;
    expect("CPU", reading.cpu_ns > 0, &reading)
}

fn signal(stage: &mut Stage) -> Result<(), String> {
    let done = stage.busybox(&["sh", "-c", "kill -TERM $$"]).map_err(text)?;
    expect("ending", ending(&done) == (None, Some(15)), done.result.ending)
}

fn big_output(stage: &mut Stage) -> Result<(), String> {
    let done = stage.busybox(&["dd", "if=/dev/zero", "bs=1M", "count=20"]).map_err(text)?;
    expect("status", ending(&done) == (Some(0), None), done.result.ending)?;
    let all_zero = done.stdout.iter().all(|byte| *byte == 0);
    expect("bytes", done.stdout.len() == 20 << 20 && all_zero, done.stdout.len())
}

fn missing_command(stage: &mut Stage) -> Result<(), String> {
    // As a shell has it.
    let done = stage.run("bin/nothing", &["nothing"]).map_err(text)?;
    expect("status", ending(&done) == (Some(127), None), done.result.ending)?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    expect("reason", said.contains("there is no `bin/nothing`"), said)
}

fn orphans(stage: &mut Stage) -> Result<(), String> {
    let began = Instant::now();
    let done = stage.busybox(&["sh", "-c", "busybox sleep 1000 & echo started"]).map_err(text)?;
    expect("status", ending(&done) == (Some(0), None), done.result.ending)?;
    expect("stdout", done.stdout == b"started\n", &done.stdout)?;
    expect("end", began.elapsed() < Duration::from_secs(200), began.elapsed())
}

fn cpus(stage: &mut Stage) -> Result<(), String> {
    // Memory and kernel are compared by every launch itself, the CPUs too; here
    // a program that knows nothing of Isolde counts them.
    let done = stage.busybox(&["nproc"]).map_err(text)?;
    let counted = String::from_utf8_lossy(&done.stdout).into_owned();
    expect("nproc", counted.trim() == stage.cpus.to_string(), counted)
}

/// What launches that begin alike, down to the last byte of memory, would share.
fn time_and_random_numbers(stage: &mut Stage) -> Result<(), String> {
    /// A clock of a machine that boots is set from one that counts seconds.
    const TOLERANCE: Duration = Duration::from_secs(3);
    let script = "busybox date +%s; busybox od -A n -t x1 -N 16 /dev/urandom";
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let before = since_epoch()?.saturating_sub(TOLERANCE);
        let done = stage.busybox(&["sh", "-c", script]).map_err(text)?;
        let after = since_epoch()? + TOLERANCE;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let (time, random) = said.split_once('\n').ok_or(said.clone())?;
        let time = Duration::from_secs(time.parse().map_err(text)?);
        expect("time", before <= time && time <= after, (before, time, after))?;
        expect("random bytes", random.trim().len() == 47, random)?;
        drawn.push(random.to_owned());
    }
    expect("random numbers", drawn[0] != drawn[1], drawn)
}

fn since_epoch() -> Result<Duration, String> {
    SystemTime::now().duration_since(UNIX_EPOCH).map_err(text)
}

fn read_only_root(stage: &mut Stage) -> Result<(), String> {
    if stage.backend.name().as_str() == "process" {
        // Nothing but a cgroup: its files are the host's.
        return Ok(());
    }
    let script = "busybox touch /x && exit 1; busybox touch /tmp/x";
    let done = stage.busybox(&["sh", "-c", script]).map_err(text)?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    expect("status", ending(&done) == (Some(0), None), (done.result.ending, &said))?;
    expect("stderr", said.contains("Read-only file system"), said)
}

fn out_of_memory(stage: &mut Stage) -> Result<(), String> {
    let script = "a=0123456789abcdef; while :; do a=$a$a; done";
    let done = stage.busybox(&["sh", "-c", script]).map_err(text)?;
    expect("ending", ending(&done) == (None, Some(9)), done.result.ending)?;
    expect("told", done.result.out_of_memory, &done.result)
}

fn time_out(stage: &mut Stage) -> Result<(), String> {
    let usual = stage.deadlines;
    stage.deadlines = Deadlines { job: Span(Duration::from_millis(1500)), ..usual };
    let result = stage.busybox(&["sleep", "1000"]);
    stage.deadlines = usual;
    let failure = failure(result)?;
    let found = (failure.kind, failure.stage);
    expect("failure", found == (FailureKind::TimedOut, LaunchStage::Job), &failure)
}

fn kernel_panic(stage: &mut Stage) -> Result<(), String> {
    if stage.backend.guest().is_none() {
        // The kernel is the host's, which must not be touched.
        return Ok(());
    }
    let failure = failure(stage.busybox(&["sh", "-c", "echo c > /proc/sysrq-trigger"]))?;
    expect("kind", failure.kind == FailureKind::Crashed, &failure)
}

fn wait_time_out(stage: &mut Stage) -> Result<(), String> {
    let mut sandbox = stage.create()?;
    let line = sandbox.start(Instant::now() + Duration::from_secs(60)).map_err(text)?;
    let waited = sandbox.wait(Instant::now() + Duration::from_millis(50));
    expect("wait", matches!(waited, Err(BackendError::TimedOut { .. })), &waited)?;
    let leaks = sandbox.destroy();
    drop(line);
    expect("leaks", leaks.is_empty(), leaks)
}

fn kill_and_destroy_twice(stage: &mut Stage) -> Result<(), String> {
    let mut sandbox = stage.create()?;
    let _line = sandbox.start(Instant::now() + Duration::from_secs(60)).map_err(text)?;
    sandbox.kill();
    sandbox.kill();
    let ended = sandbox.wait(Instant::now() + Duration::from_secs(20)).map_err(text)?;
    expect("ending", ended != Ending::Exited(0), ended)?;
    let leaks = [sandbox.destroy(), sandbox.destroy()].concat();
    expect("leaks", leaks.is_empty(), leaks)
}

fn hang_up(stage: &mut Stage) -> Result<(), String> {
    let mut sandbox = stage.create()?;
    let line = sandbox.start(Instant::now() + Duration::from_secs(60)).map_err(text)?;
    let mut boot_mark = [0];
    File::from(line.reader).read_exact(&mut boot_mark).map_err(text)?;
    drop(line.writer);
    let ended = sandbox.wait(Instant::now() + Duration::from_secs(120));
    let tail = String::from_utf8_lossy(&sandbox.console_tail()).into_owned();
    let leaks = sandbox.destroy();
    expect("wait", ended.is_ok(), (ended, tail))?;
    expect("leaks", leaks.is_empty(), leaks)
}

fn drop_without_destroy(stage: &mut Stage) -> Result<(), String> {
    let mut sandbox = stage.create()?;
    let line = sandbox.start(Instant::now() + Duration::from_secs(60)).map_err(text)?;
    drop(sandbox);
    drop(line);
    // That nothing is left is what the suite looks at after every check.
    Ok(())
}
