//! One launch: create, start, greet, work, end, take down. Every path through
//! here, failed or interrupted, takes the sandbox down and reports leaks.

use std::time::{Duration, Instant};

use isolde_agent::protocol::{FromAgent, Hello, ToAgent};
use isolde_backends::{Backend, BackendError, Ending, Sandbox, SandboxSpec};
use isolde_model::{
    ByteSize, Deadlines, Failure, FailureKind, InsideFacts, Leak, Mark, MarkStamp, Reading, Span,
    Stage,
};

use crate::Interrupt;
use crate::check::{Asked, Clocks, check_parity};
use crate::error::chain;
use crate::line::{HostLine, Silence};

/// What a launch is to do and under which terms.
pub(crate) struct Order<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) job: ToAgent,
    pub(crate) deadlines: Deadlines,
    pub(crate) asked: Asked,
    /// Memory that would do, where that is known.
    pub(crate) enough_memory: Option<ByteSize>,
    pub(crate) interrupt: &'a Interrupt,
}

/// Who hears of a launch while it goes on.
pub(crate) trait Witness {
    /// A mark was passed.
    fn marked(&mut self, mark: Mark);
    /// The agent sent something that is not about the launch itself.
    ///
    /// # Errors
    /// Why the launch must not go on.
    fn received(&mut self, message: FromAgent) -> Result<(), Failure>;
}

/// What is known of a launch after its end.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) result: Result<(), Stop>,
    pub(crate) marks: Vec<MarkStamp>,
    pub(crate) reading: Option<Reading>,
    pub(crate) inside: Option<InsideFacts>,
    pub(crate) leaks: Vec<Leak>,
    pub(crate) console: Vec<u8>,
}

/// Why a launch did not come to its planned end.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(Failure),
    Interrupted,
}

impl Stop {
    fn failed(kind: FailureKind, stage: Stage, reason: impl Into<String>) -> Self {
        Self::Failed(Failure { kind, stage, reason: reason.into(), hint: None })
    }

    const fn is_timeout(&self) -> bool {
        matches!(self, Self::Failed(Failure { kind: FailureKind::TimedOut, .. }))
    }

    fn backend(stage: Stage, error: &BackendError) -> Self {
        let kind = match error {
            BackendError::TimedOut { .. } => FailureKind::TimedOut,
            BackendError::DiedAtOnce { .. } => FailureKind::Crashed,
            _ => FailureKind::Backend,
        };
        Self::failed(kind, stage, chain(error))
    }

    fn silence(stage: Stage, silence: &Silence, allowed: Duration) -> Self {
        let kind = match silence {
            Silence::Interrupted => return Self::Interrupted,
            Silence::TimedOut => {
                let allowed = Span(allowed);
                let reason = match stage {
                    Stage::Job => format!("it was not done within {allowed}"),
                    _ => format!("nothing came from the agent within {allowed}"),
                };
                return Self::failed(FailureKind::TimedOut, stage, reason);
            }
            Silence::Closed => FailureKind::Crashed,
            Silence::Protocol(_) => FailureKind::Protocol,
            Silence::Io(_) => FailureKind::Backend,
        };
        Self::failed(kind, stage, chain(silence))
    }
}

/// An agent that has not ended after this part of the time for it may not have
/// heard the goodbye: an emulated guest on a busy host was seen to sleep on. A line
/// that is closed says the same once more.
const HEARING_SHARE: u32 = 4;

/// How long the last counters and the tear-down of a failed launch may take.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// Makes one launch.
pub(crate) fn launch(order: &Order<'_>, spec: SandboxSpec, witness: &mut dyn Witness) -> Launched {
    let cgroup = spec.cgroup.clone();
    let held = order.interrupt.hold(&cgroup);
    let mut course = Course {
        requested: Instant::now(),
        order,
        witness,
        marks: Vec::new(),
        inside: None,
        clocks: Clocks::default(),
        reading: None,
    };
    course.mark_at(Mark::Requested, course.requested);
    let mut sandbox = match order.backend.create(spec) {
        Ok(sandbox) => sandbox,
        Err(error) => {
            let result = Err(course.unless_interrupted(Stop::backend(Stage::Create, &error)));
            drop(held);
            return course.end(result, Vec::new(), cgroup.remove());
        }
    };
    let mut result = course.drive(&mut *sandbox).map_err(|stop| course.unless_interrupted(stop));
    drop(held);
    if result.is_err() {
        course.bury(&mut *sandbox);
    }
    let console = if result.is_err() { sandbox.console_tail() } else { Vec::new() };
    if let Err(Stop::Failed(failure)) = &mut result {
        explain(failure, order, course.reading.as_ref(), &console);
    }
    let mut leaks = sandbox.destroy();
    drop(sandbox);
    leaks.extend(cgroup.remove());
    course.mark(Mark::TornDown);
    course.end(result, console, leaks)
}

/// A launch while it goes on.
struct Course<'a> {
    requested: Instant,
    order: &'a Order<'a>,
    witness: &'a mut dyn Witness,
    marks: Vec<MarkStamp>,
    inside: Option<InsideFacts>,
    clocks: Clocks,
    reading: Option<Reading>,
}

impl Course<'_> {
    fn mark(&mut self, mark: Mark) {
        self.mark_at(mark, Instant::now());
    }

    fn mark_at(&mut self, mark: Mark, at: Instant) {
        let at_ns = at.saturating_duration_since(self.requested).as_nanos();
        self.marks.push(MarkStamp { mark, at_ns: u64::try_from(at_ns).unwrap_or(u64::MAX) });
        self.witness.marked(mark);
    }

    fn drive(&mut self, sandbox: &mut dyn Sandbox) -> Result<(), Stop> {
        let start = self.order.deadlines.start.0;
        let deadline = self.requested + start;
        let line = sandbox.start(deadline).map_err(|error| Stop::backend(Stage::Start, &error))?;
        self.mark_at(Mark::SandboxStarted, sandbox.running_since().unwrap_or_else(Instant::now));
        let mut line = HostLine::new(line, self.order.interrupt);
        let greeting = self
            .greet(&mut line, deadline)
            .map_err(|silence| self.last_words(sandbox, Stage::Greeting, &silence, start))?;
        self.check(greeting)?;
        let job = self.order.deadlines.job.0;
        self.work(sandbox, &mut line, job)?;
        self.mark(Mark::WorkDone);
        self.read(sandbox);
        self.part(sandbox, line)
    }

    /// The wish to stop ends a sandbox from outside, which then looks as though it
    /// had failed.
    fn unless_interrupted(&self, stop: Stop) -> Stop {
        if self.order.interrupt.is_triggered() { Stop::Interrupted } else { stop }
    }

    fn greet(&mut self, line: &mut HostLine, deadline: Instant) -> Result<FromAgent, Silence> {
        let arrived = line.await_boot_mark(deadline)?;
        self.mark_at(Mark::AgentUp, arrived);
        line.receive(deadline)
    }

    fn check(&mut self, greeting: FromAgent) -> Result<(), Stop> {
        let FromAgent::Hello(hello) = greeting else {
            let reason = "the agent did not greet first";
            return Err(Stop::failed(FailureKind::Protocol, Stage::Greeting, reason));
        };
        let verdict = check_parity(&self.order.asked, &hello);
        let Hello { facts, .. } = hello;
        self.enter_kernel(facts.kernel_age_ns);
        self.inside = Some(facts);
        verdict.map_err(|reason| Stop::failed(FailureKind::Parity, Stage::Greeting, reason))
    }

    /// Stamps the start of the sandbox's own kernel, by its age when the agent's first
    /// byte was written. What comes from inside is held between the marks around it.
    fn enter_kernel(&mut self, age_ns: Option<u64>) {
        let [.., before, up] = &self.marks[..] else { return };
        let Some(age_ns) = age_ns.filter(|_| up.mark == Mark::AgentUp) else { return };
        let at_ns = up.at_ns.saturating_sub(age_ns).max(before.at_ns);
        let stamp = MarkStamp { mark: Mark::KernelEntered, at_ns };
        self.marks.insert(self.marks.len() - 1, stamp);
        self.witness.marked(Mark::KernelEntered);
    }

    fn work(
        &mut self,
        sandbox: &mut dyn Sandbox,
        line: &mut HostLine,
        allowed: Duration,
    ) -> Result<(), Stop> {
        let deadline = Instant::now() + allowed;
        let silent = |course: &Self, sandbox: &mut dyn Sandbox, silence: Silence| {
            course.last_words(sandbox, Stage::Job, &silence, allowed)
        };
        line.send(&self.order.job).map_err(|silence| silent(self, sandbox, silence))?;
        loop {
            let message =
                line.receive(deadline).map_err(|silence| silent(self, sandbox, silence))?;
            match message {
                FromAgent::Passed(mark) => self.pass(mark)?,
                FromAgent::Clock(ns) => self.clocks.told(ns, Instant::now()),
                FromAgent::Finished => {
                    let wrong = |reason| Stop::failed(FailureKind::Clock, Stage::Job, reason);
                    return self.clocks.check().map_err(wrong);
                }
                FromAgent::Failed { reason } => {
                    return Err(Stop::failed(FailureKind::Application, Stage::Job, reason));
                }
                ended @ FromAgent::Exited(_) => {
                    return self.witness.received(ended).map_err(Stop::Failed);
                }
                other => self.witness.received(other).map_err(Stop::Failed)?,
            }
        }
    }

    /// Stamps a mark that the agent passed: each once, and in order.
    fn pass(&mut self, mark: Mark) -> Result<(), Stop> {
        let between = Mark::AgentUp < mark && mark < Mark::WorkDone;
        let later = self.marks.last().is_none_or(|last| last.mark < mark);
        if between && later {
            self.mark(mark);
            Ok(())
        } else {
            let reason = format!("the agent cannot pass the mark {mark} now");
            Err(Stop::failed(FailureKind::Protocol, Stage::Job, reason))
        }
    }

    /// Says goodbye and waits for the sandbox's end.
    fn part(&mut self, sandbox: &mut dyn Sandbox, mut line: HostLine) -> Result<(), Stop> {
        let deadline = Instant::now() + self.order.deadlines.exit.0;
        // An agent that has ended already needs no goodbye.
        let _ = line.send(&ToAgent::Bye);
        let hearing = self.order.deadlines.exit.0 / HEARING_SHARE;
        let mut ending = self.await_end(sandbox, Instant::now() + hearing);
        drop(line);
        if matches!(&ending, Err(stop) if stop.is_timeout()) {
            ending = self.await_end(sandbox, deadline);
        }
        self.mark(Mark::ExitSeen);
        self.read(sandbox);
        match ending? {
            Ending::Exited(0) => Ok(()),
            ending => Err(Stop::failed(FailureKind::Crashed, Stage::Exit, describe(ending))),
        }
    }

    /// Waits in slices, so that the user's wish to stop is seen.
    fn await_end(&self, sandbox: &mut dyn Sandbox, deadline: Instant) -> Result<Ending, Stop> {
        const SLICE: Duration = Duration::from_millis(200);
        loop {
            if self.order.interrupt.is_triggered() {
                return Err(Stop::Interrupted);
            }
            let now = Instant::now();
            match sandbox.wait(deadline.min(now + SLICE)) {
                Ok(ending) => return Ok(ending),
                Err(BackendError::TimedOut { .. }) if now < deadline => {}
                Err(error) => return Err(Stop::backend(Stage::Exit, &error)),
            }
        }
    }

    /// The failure behind a line that fell silent: how the sandbox ended tells
    /// more than that its line closed.
    fn last_words(
        &self,
        sandbox: &mut dyn Sandbox,
        stage: Stage,
        silence: &Silence,
        allowed: Duration,
    ) -> Stop {
        if matches!(silence, Silence::Closed)
            && let Ok(ending) = sandbox.wait(Instant::now() + Duration::from_secs(2))
        {
            return Stop::failed(FailureKind::Crashed, stage, describe(ending));
        }
        Stop::silence(stage, silence, allowed)
    }

    fn read(&mut self, sandbox: &mut dyn Sandbox) {
        match sandbox.usage() {
            Ok(reading) => self.reading = Some(reading),
            // An engine's own cgroup may be gone by now; the last reading stays.
            Err(error) => tracing::debug!(error = chain(&error), "no reading"),
        }
    }

    /// Ends what is left of a failed launch; its counters are still of use.
    fn bury(&mut self, sandbox: &mut dyn Sandbox) {
        self.read(sandbox);
        sandbox.kill();
        if let Err(error) = sandbox.wait(Instant::now() + END_PATIENCE) {
            tracing::debug!(error = chain(&error), "no end after a kill");
        }
        if !self.marks.iter().any(|stamp| stamp.mark == Mark::ExitSeen) {
            self.mark(Mark::ExitSeen);
        }
        self.read(sandbox);
    }

    fn end(self, result: Result<(), Stop>, console: Vec<u8>, leaks: Vec<Leak>) -> Launched {
        let Self { marks, inside, reading, .. } = self;
        Launched { result, marks, reading, inside, leaks, console }
    }
}

fn describe(ending: Ending) -> String {
    match ending {
        Ending::Exited(status) => format!("the sandbox exited with status {status}"),
        Ending::Signalled(signal) => format!("the sandbox was ended by signal {signal}"),
    }
}

/// What a console holds after an end for want of memory: a guest kernel's words when it
/// ends its only process, and the agent's when it is given none.
const OUT_OF_MEMORY: [&str; 3] =
    ["Out of memory: Killed process", "deadlocked on memory", "memory allocation of "];
/// What it writes before it ends itself.
const GUEST_PANIC: &str = "Kernel panic";
/// A distribution's kernel needs some of this before it can say what is wrong.
const GUEST_MEMORY_BYTES: u64 = 128 << 20;

/// Adds what the console tells of a crash, tells one for want of memory from
/// any other, and adds what helps.
fn explain(failure: &mut Failure, order: &Order<'_>, reading: Option<&Reading>, console: &[u8]) {
    let console = String::from_utf8_lossy(console);
    let killed = reading.is_some_and(|reading| reading.oom_kills > 0);
    let short = OUT_OF_MEMORY.iter().find_map(|text| console.find(text));
    let starts = matches!(failure.stage, Stage::Create | Stage::Start | Stage::Greeting);
    match failure.kind {
        FailureKind::Crashed => {
            if let Some(start) = short.or_else(|| console.find(GUEST_PANIC)) {
                let words = console[start..].lines().next().unwrap_or_default();
                failure.reason.push_str(": ");
                failure.reason.extend(words.chars().filter(|c| !c.is_control()).take(200));
            }
            let small = order.asked.memory_bytes < GUEST_MEMORY_BYTES;
            if killed || short.is_some() {
                failure.kind = FailureKind::OutOfMemory;
                failure.hint = Some(memory_hint(order.enough_memory, order.asked.memory_bytes));
            } else if starts && small && order.backend.guest().is_some() {
                failure.hint = Some(
                    "a guest with less than 128M may not boot: give more with --memory".into(),
                );
            }
        }
        FailureKind::TimedOut if failure.hint.is_none() => {
            failure.hint = timeout_hint(&order.job, failure.stage).map(Into::into);
        }
        _ => {}
    }
}

/// What helps against too little memory.
fn memory_hint(enough: Option<ByteSize>, asked_bytes: u64) -> String {
    match enough {
        Some(enough) if enough.bytes() > asked_bytes => format!("--memory {enough} would do"),
        _ => "give more with --memory".into(),
    }
}

/// Where the limit that was passed comes from; only a run has a plan.
const fn timeout_hint(job: &ToAgent, stage: Stage) -> Option<&'static str> {
    let of_run = matches!(job, ToAgent::Run(_) | ToAgent::Program(_));
    match stage {
        Stage::Create | Stage::Start | Stage::Greeting if of_run => {
            Some("the plan's deadlines.start sets the limit")
        }
        Stage::Job if of_run => Some("the plan's deadlines.job sets the limit"),
        Stage::Job => Some("give more with --timeout"),
        Stage::Exit | Stage::TearDown | Stage::Check if of_run => {
            Some("the plan's deadlines.exit sets the limit")
        }
        _ => None,
    }
}
