//! Programs of the user's: what they are asked, and whether they did it.

use std::time::Duration;

use isolde_agent::protocol::{Invocation, ProgramJob};
use isolde_model::{
    ByteSize, Failure, FailureKind, Inference, Phase, Plan, ProgramFacts, ProgramSource, Reading,
    ReadySign, Span, Stage, Timing, Trial,
};

/// The agent ends a program whose time is over and tells what is known of it;
/// the host waits for that a little longer.
pub(crate) const AGENT_PATIENCE: Duration = Duration::from_secs(15);
/// Inferences that are taken where the plan names no number, as the agent takes.
pub(crate) const MOST_INFERENCES: usize = 1_000_000;
/// Values of outputs that are taken, as the agent keeps them.
pub(crate) const MOST_VALUES: usize = 1 << 20;
/// Characters of standard error that a reason repeats.
const LAST_WORDS: usize = 300;

/// What the agent is asked.
pub(crate) fn job(
    plan: &Plan,
    trial: &Trial,
    source: &ProgramSource,
    invocation: &Invocation,
) -> ProgramJob {
    ProgramJob {
        invocation: invocation.clone(),
        ready: source.ready.clone(),
        warm_up: plan.warm_up,
        inferences: source.inferences,
        threads: trial.threads,
        limit: plan.deadlines.job,
    }
}

/// What the launch is judged by.
pub(crate) struct Terms<'a> {
    pub(crate) source: &'a ProgramSource,
    pub(crate) limit: Span,
    pub(crate) memory: ByteSize,
}

impl Terms<'_> {
    /// The port whose opening is the sign of readiness, if one is.
    const fn port(&self) -> Option<u16> {
        match self.source.ready {
            ReadySign::Line => None,
            ReadySign::Tcp(port) | ReadySign::Http { port, .. } => Some(port),
        }
    }
}

/// Why the program did not do what it was asked; `None` where it did.
pub(crate) fn failure(
    facts: &ProgramFacts,
    terms: &Terms<'_>,
    reading: Option<&Reading>,
) -> Option<Failure> {
    let kills = facts.oom_kills.max(reading.map_or(0, |reading| reading.oom_kills));
    if kills > 0 {
        let reason = format!(
            "the kernel killed {} of its processes for want of memory, of which it has {}",
            if kills == 1 { "one".into() } else { kills.to_string() },
            terms.memory
        );
        return Some(failed(FailureKind::OutOfMemory, reason, Some("give more with --memory")));
    }
    if let Some(violation) = &facts.violation {
        let reason = format!("it broke the application contract: {violation}");
        return Some(failed(FailureKind::Application, reason, None));
    }
    if facts.timed_out {
        let reason = match (terms.port(), facts.ready) {
            (Some(port), false) => {
                format!("its port {port} did not show that it was ready within {}", terms.limit)
            }
            _ => format!("it was not done within {}", terms.limit),
        };
        let reason = with_last_words(reason, facts);
        return Some(failed(FailureKind::TimedOut, reason, Some("give more with --timeout")));
    }
    let ending = match (facts.ended, facts.signal, facts.status) {
        // SIGTERM and SIGKILL are how the agent ends it.
        (true, None | Some(9 | 15), _) | (false, None, Some(0)) => None,
        (_, Some(signal), _) => {
            Some((FailureKind::Crashed, format!("it was ended by {}", signal_name(signal))))
        }
        (false, None, Some(status)) => {
            Some((FailureKind::Application, format!("it exited with status {status}")))
        }
        (false, None, None) => Some((FailureKind::Protocol, "its end was not told".into())),
    };
    if let Some((kind, reason)) = ending {
        return Some(failed(kind, with_last_words(reason, facts), None));
    }
    let port = terms.port().filter(|_| !facts.ready)?;
    let reason = format!("it ended before its port {port} showed that it was ready");
    Some(failed(FailureKind::Application, with_last_words(reason, facts), None))
}

fn failed(kind: FailureKind, reason: String, hint: Option<&str>) -> Failure {
    Failure { kind, stage: Stage::Job, reason, hint: hint.map(Into::into) }
}

/// Adds the last lines of standard error.
fn with_last_words(reason: String, facts: &ProgramFacts) -> String {
    let lines: Vec<&str> =
        facts.stderr_tail.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let words = lines[lines.len().saturating_sub(3)..].join(" / ");
    let skipped = words.chars().count().saturating_sub(LAST_WORDS);
    let words: String = words.chars().skip(skipped).collect();
    if words.is_empty() { reason } else { format!("{reason}: {words}") }
}

/// A signal by its name of signal(7), where it has the same number on every
/// architecture of Linux that this program runs on.
fn signal_name(signal: i32) -> String {
    let names = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (4, "SIGILL"),
        (5, "SIGTRAP"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
        (31, "SIGSYS"),
    ];
    match names.iter().find(|(number, _)| *number == signal) {
        Some((number, name)) => format!("signal {number} ({name})"),
        None => format!("signal {signal}"),
    }
}

/// Whether what the agent sent of the program fits together.
///
/// # Errors
/// How it does not: then nothing of it can be trusted.
pub(crate) fn check_whole(facts: &ProgramFacts, inferences: &[Inference]) -> Result<(), String> {
    let expected = match (facts.timing, facts.inferences) {
        (Timing::Whole, 0) => 1,
        (Timing::ColdStart, 0) => 0,
        (Timing::Whole | Timing::ColdStart, _) | (_, 0) => {
            return Err("its inferences and how they were timed do not fit together".into());
        }
        (_, count) => count as usize,
    };
    if inferences.len() != expected {
        return Err(format!("{expected} inferences were told, {} came", inferences.len()));
    }
    for (position, inference) in (0..).zip(inferences) {
        if inference.index != position {
            return Err(format!("inference {position} is missing or out of order"));
        }
        if !facts.inputs.is_empty() && inference.input as usize >= facts.inputs.len() {
            return Err(format!("inference {position} is of an input that has no name"));
        }
    }
    Ok(())
}

/// Takes the program's words as what they are: text of a stranger. Where its
/// lines were too few for the warm-up, all of them count.
pub(crate) fn tidy(facts: &mut ProgramFacts, inferences: &mut [Inference]) {
    let texts = [&mut facts.stdout_tail, &mut facts.stderr_tail];
    for text in texts.into_iter().chain(&mut facts.violation).chain(&mut facts.inputs) {
        *text = text.chars().map(shown).collect();
    }
    if facts.short {
        inferences.iter_mut().for_each(|inference| inference.phase = Phase::Steady);
    }
}

fn shown(c: char) -> char {
    if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(
        change: impl FnOnce(&mut ProgramFacts),
        ready: &str,
    ) -> Option<(FailureKind, String)> {
        let mut facts = ProgramFacts { status: Some(0), ..ProgramFacts::default() };
        change(&mut facts);
        let source = ProgramSource {
            image: None,
            command: Vec::new(),
            files: Vec::new(),
            ready: ready.parse().unwrap(),
            inferences: None,
        };
        let limit = Span(Duration::from_secs(300));
        let terms = Terms { source: &source, limit, memory: ByteSize::mebibytes(64) };
        failure(&facts, &terms, None).map(|failure| (failure.kind, failure.to_string()))
    }

    #[test]
    fn every_bad_end_has_its_reason() {
        assert_eq!(judged(|_| {}, "line"), None);
        let ended = |facts: &mut ProgramFacts| {
            (facts.status, facts.signal, facts.ended) = (None, Some(15), true);
        };
        assert_eq!(judged(ended, "line"), None);
        type Change = fn(&mut ProgramFacts);
        let cases: [(Change, &str, FailureKind, &str); 8] = [
            (|facts| facts.status = Some(3), "line", FailureKind::Application, "status 3: a / b"),
            (
                |facts| (facts.status, facts.signal) = (None, Some(11)),
                "line",
                FailureKind::Crashed,
                "signal 11 (SIGSEGV): a / b",
            ),
            // After its last inference, while it tidied up.
            (
                |facts| (facts.status, facts.signal, facts.ended) = (None, Some(11), true),
                "line",
                FailureKind::Crashed,
                "SIGSEGV",
            ),
            (
                |facts| facts.oom_kills = 1,
                "line",
                FailureKind::OutOfMemory,
                "it has 64M; give more",
            ),
            (|facts| facts.timed_out = true, "line", FailureKind::TimedOut, "5m: a / b; give more"),
            (
                |facts| facts.violation = Some("line 3".into()),
                "line",
                FailureKind::Application,
                "contract: line 3",
            ),
            (|_| {}, "tcp:80", FailureKind::Application, "before its port 80"),
            (|facts| facts.timed_out = true, "tcp:80", FailureKind::TimedOut, "port 80 did not"),
        ];
        for (change, ready, kind, words) in cases {
            let change = |facts: &mut ProgramFacts| {
                facts.stderr_tail = " a\n\nb\n".into();
                change(facts);
            };
            let (found, text) = judged(change, ready).unwrap();
            assert_eq!(found, kind);
            assert!(text.contains(words), "{text}");
        }
    }

    fn inference(index: u32) -> Inference {
        Inference {
            index,
            phase: Phase::WarmUp,
            input: 0,
            prepare_ns: 0,
            infer_ns: 1,
            interpret_ns: 0,
            label: 0,
            output_digest: String::new(),
            tasks: Vec::new(),
        }
    }

    #[test]
    fn an_agent_that_contradicts_itself_is_not_believed() {
        let told = |timing, inferences, inputs: &[&str]| ProgramFacts {
            timing,
            inferences,
            inputs: inputs.iter().map(|&name| name.to_owned()).collect(),
            ..ProgramFacts::default()
        };
        let one = [inference(0)];
        assert_eq!(check_whole(&told(Timing::Whole, 0, &[]), &one), Ok(()));
        assert_eq!(check_whole(&told(Timing::Program, 1, &["a"]), &one), Ok(()));
        assert_eq!(check_whole(&told(Timing::ColdStart, 0, &[]), &[]), Ok(()));
        assert!(check_whole(&told(Timing::Program, 2, &[]), &one).is_err());
        assert!(check_whole(&told(Timing::Whole, 0, &[]), &[]).is_err());
        assert!(check_whole(&told(Timing::Program, 0, &[]), &[]).is_err());
        assert!(check_whole(&told(Timing::Program, 1, &[]), &[inference(1)]).is_err());
        let far = Inference { input: 1, ..inference(0) };
        assert!(check_whole(&told(Timing::Program, 1, &["a"]), &[far]).is_err());
    }

    #[test]
    fn too_few_lines_all_count() {
        let mut facts = ProgramFacts {
            short: true,
            stderr_tail: "\u{1b}[2J".into(),
            ..ProgramFacts::default()
        };
        let mut inferences = [inference(0), inference(1)];
        tidy(&mut facts, &mut inferences);
        assert!(inferences.iter().all(|inference| inference.phase == Phase::Steady));
        assert_eq!(facts.stderr_tail, "\u{fffd}[2J");
    }
}
