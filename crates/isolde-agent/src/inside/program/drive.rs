//! A program from its start to its end.

mod listen;

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use isolde_model::{Mark, ProgramFacts};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group,
    pidfd_open, wait, waitid,
};

use super::super::AgentError;
use super::super::invocation::Started;
use super::super::line::{AgentLine, Order};
use super::BATCH;
use super::pipe::Stream;
use super::ready::Lookout;
use super::stream::{Lines, Tail};
use super::tally::Tally;
use crate::guest::Ended;
use crate::protocol::{FromAgent, ProgramJob, ToAgent};

/// Between two looks at a program that tells its own durations.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Between two looks for ended orphans, which do not announce themselves.
const REAP_EVERY: Duration = Duration::from_millis(250);
/// What is known is sent when it is so old, so that little is lost if the
/// sandbox dies.
const BATCH_AGE: Duration = Duration::from_millis(250);
/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// What is wrong with lines that the agent's clock cannot time.
const UNTIMED: &str = "it tells no durations, and its lines came together with its start, so the \
    agent's clock cannot tell them: let it print a `ready` line before and flush every line, or \
    tell `inference_ns`";

/// Why the agent ends the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// It did all the inferences that were asked for.
    Done,
    /// It is ready, and nothing else was asked for.
    Ready,
    /// Its time is over.
    TimedOut,
    /// It broke the contract.
    Violation(String),
}

/// A program that runs.
pub(super) struct Drive {
    child: Pid,
    pidfd: OwnedFd,
    pub(super) tally: Tally,
    most: Option<u32>,
    lookout: Option<Lookout>,
    wants_port: bool,
    limit: Instant,
    ready: bool,
    stdout: Stream,
    stderr: Stream,
    lines: Lines,
    line_number: u64,
    out_tail: Tail,
    err_tail: Tail,
    stop: Option<Stop>,
    kill_at: Option<Instant>,
    sent: Instant,
    /// It ended by itself before the agent would have ended it.
    by_itself: bool,
    /// Its status was collected, so that its number may be another's.
    gone: bool,
    ended_at: Instant,
    /// Marks to be sent.
    passed: Vec<Mark>,
    /// When the last line arrived.
    arrived: Instant,
}

impl Drive {
    /// Takes a program over that was started just now.
    pub(super) fn begin(started: Started, job: &ProgramJob) -> io::Result<Self> {
        let Started { mut child, at: started } = started;
        let pid = Pid::from_child(&child);
        let most = job.inferences.map(|count| job.warm_up.saturating_add(count));
        let lookout = Lookout::begin(&job.ready)?;
        Ok(Self {
            child: pid,
            pidfd: pidfd_open(pid, PidfdFlags::empty())?,
            tally: Tally::new(job.warm_up, started),
            most,
            wants_port: lookout.is_some(),
            lookout,
            limit: started + job.limit.0,
            ready: false,
            stdout: Stream::new(child.stdout.take())?,
            stderr: Stream::new(child.stderr.take())?,
            lines: Lines::default(),
            line_number: 0,
            out_tail: Tail::default(),
            err_tail: Tail::default(),
            stop: None,
            kill_at: None,
            sent: started,
            by_itself: false,
            gone: false,
            ended_at: started,
            passed: Vec::new(),
            arrived: started,
        })
    }

    /// Drives the program to its end; `None` where the host went away or said
    /// goodbye before, which kills it.
    pub(super) fn follow(&mut self, line: &mut AgentLine) -> Result<Option<Ended>, AgentError> {
        let ended = loop {
            let woken = self.sleep(line)?;
            if woken.by_host
                && matches!(line.receive()?, Order::Message(ToAgent::Bye) | Order::HostGone)
            {
                self.kill();
                return Ok(None);
            }
            if woken.by_port {
                self.port_opened();
            }
            self.read_all();
            self.tell(line)?;
            if let Some(ended) = self.reap()? {
                break ended;
            }
            self.keep_time();
        };
        self.ended_at = Instant::now();
        self.gone = true;
        self.read_the_rest();
        self.tell(line)?;
        Ok(Some(ended))
    }

    /// Waits until there is something to do.
    fn sleep(&self, line: &AgentLine) -> io::Result<Woken> {
        let now = Instant::now();
        let watches = !self.is_self_timed();
        let most = if watches { REAP_EVERY } else { LOOK_EVERY };
        let next = [Some(self.limit), self.kill_at, Some(now + most)];
        let until = next.into_iter().flatten().min().unwrap_or(now);
        let left = until.saturating_duration_since(now);
        let mut watched = vec![
            PollFd::from_borrowed_fd(line.descriptor(), PollFlags::IN),
            PollFd::new(&self.pidfd, PollFlags::IN),
        ];
        if let Some(lookout) = &self.lookout {
            watched.push(PollFd::new(lookout.descriptor(), PollFlags::IN));
        }
        if watches {
            watched.extend(self.streams());
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Woken {
            by_host: !watched[0].revents().is_empty(),
            by_port: self.lookout.is_some() && !watched[2].revents().is_empty(),
        })
    }

    /// The streams that have not ended.
    fn streams(&self) -> impl Iterator<Item = PollFd<'_>> {
        let open = [&self.stdout, &self.stderr].into_iter().filter_map(Stream::descriptor);
        open.map(|stream| PollFd::from_borrowed_fd(stream, PollFlags::IN))
    }

    /// Whether the arrival of its lines matters no more.
    fn is_self_timed(&self) -> bool {
        self.lookout.is_none() && self.tally.tells_all()
    }

    fn port_opened(&mut self) {
        self.lookout = None;
        let now = Instant::now();
        self.be_ready(now);
        self.tally.settle(now);
        if self.most.is_none() {
            self.end(Stop::Ready);
        }
    }

    /// The cold start is over, unless an inference was done before.
    fn be_ready(&mut self, at: Instant) {
        if !self.ready && self.tally.count() == 0 {
            self.passed.push(Mark::ModelLoaded);
        }
        self.ready = true;
        self.tally.be_ready(at);
    }

    /// Sends marks at once and inferences when enough have gathered.
    fn tell(&mut self, line: &mut AgentLine) -> io::Result<()> {
        for mark in std::mem::take(&mut self.passed) {
            line.send(&FromAgent::Passed(mark))?;
        }
        let due = self.sent.elapsed() >= BATCH_AGE && self.tally.pending() > 0;
        while self.tally.pending() >= BATCH || (due && self.tally.pending() > 0) {
            line.send(&FromAgent::Inferences(self.tally.take_batch(BATCH)))?;
            self.sent = Instant::now();
        }
        Ok(())
    }

    /// Collects whatever has ended: as first process of a sandbox the agent
    /// inherits orphans.
    fn reap(&self) -> io::Result<Option<Ended>> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.child => {
                    let exited = status.exit_status().map(Ended::Exited);
                    let ended = exited.or(status.terminating_signal().map(Ended::Signalled));
                    if ended.is_some() {
                        return Ok(ended);
                    }
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn keep_time(&mut self) {
        let now = Instant::now();
        if now >= self.limit {
            self.end(Stop::TimedOut);
        }
        if self.kill_at.is_some_and(|at| now >= at) {
            self.kill_at = None;
            self.kill();
        }
    }

    /// Ends the program: one that did its work may tidy up.
    fn end(&mut self, why: Stop) {
        if self.stop.is_some() && !matches!(why, Stop::Violation(_)) {
            return;
        }
        match why {
            _ if self.has_ended() => self.by_itself = true,
            Stop::Done | Stop::Ready => {
                let _ = kill_process_group(self.child, Signal::TERM);
                self.kill_at = Some(Instant::now() + GRACE);
            }
            Stop::TimedOut | Stop::Violation(_) => self.kill(),
        }
        self.stop = Some(why);
    }

    /// Whether it has ended, its status collected or not.
    fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.gone || waitid(WaitId::Pid(self.child), look).is_ok_and(|status| status.is_some())
    }

    /// Its group and, should it have left that, itself.
    fn kill(&self) {
        let _ = kill_process_group(self.child, Signal::KILL);
        let _ = kill_process(self.child, Signal::KILL);
    }

    pub(super) fn is_stopped_for(&self, why: &Stop) -> bool {
        self.stop.as_ref() == Some(why)
    }

    /// The time from start to end as the only sample.
    pub(super) fn add_whole(&mut self) {
        self.tally.add_whole(self.ended_at);
    }

    /// What is known after its end.
    pub(super) fn facts(&mut self, ended: Ended) -> ProgramFacts {
        let (status, signal) = match ended {
            Ended::Exited(status) => (Some(status), None),
            Ended::Signalled(signal) => (None, Some(signal)),
        };
        let violation = match &self.stop {
            Some(Stop::Violation(reason)) => Some(reason.clone()),
            _ if self.tally.is_untimed() => Some(UNTIMED.to_owned()),
            _ => None,
        };
        ProgramFacts {
            status,
            signal,
            ended: matches!(self.stop, Some(Stop::Done | Stop::Ready)) && !self.by_itself,
            timed_out: self.is_stopped_for(&Stop::TimedOut),
            oom_kills: 0,
            timing: self.tally.timing(),
            ready: self.ready,
            inferences: self.tally.count(),
            outputs: self.tally.with_output(),
            short: self.tally.is_short(),
            together: self.tally.together(),
            inputs: self.tally.take_names(),
            violation,
            stdout_bytes: self.stdout.bytes,
            stderr_bytes: self.stderr.bytes,
            stdout_tail: self.out_tail.text(),
            stderr_tail: self.err_tail.text(),
        }
    }
}

/// What ended a wait.
struct Woken {
    by_host: bool,
    by_port: bool,
}
