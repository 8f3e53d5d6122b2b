//! Order, deadlines, crashes, leaks and interruption of a run, against the fake
//! back end: real cgroups and bundles, no sandboxes.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use isolde_agent::output_digest;
use isolde_agent::protocol::{BOOT_MARK, Decoder, FromAgent, Hello, PROTOCOL_VERSION, RunJob};
use isolde_backends::fake::Fake;
use isolde_bundle::Bundle;
use isolde_image::Store;
use isolde_model::{
    BundleHeader, ByteSize, Deadlines, HostFacts, Inference, InsideFacts, Mark, OutputTensor,
    Phase, Preset, Reading, Resources, SCHEMA_VERSION, Span,
};

use super::*;
use crate::Provisions;

#[path = "run_program_tests.rs"]
mod programs;

/// A small plan over these environments.
pub(crate) fn plan(environments: &[&str], launches: u32) -> Plan {
    Plan {
        schema: SCHEMA_VERSION,
        preset: Preset::Quick,
        seed: 7,
        applications: vec!["road-sign".into()],
        environments: environments.iter().map(|name| EnvironmentName::new(*name)).collect(),
        launches,
        inferences: 4,
        warm_up: 2,
        baseline: EnvironmentName::new(environments[0]),
        include_emulated: false,
        kernel: None,
        budget: None,
        resources: Resources { cpus: 1, memory: ByteSize::mebibytes(64), threads: 1.into() },
        deadlines: Deadlines {
            start: Span(Duration::from_millis(1500)),
            job: Span(Duration::from_millis(1500)),
            exit: Span(Duration::from_millis(400)),
        },
        sources: BTreeMap::new(),
    }
}

/// How a fake agent misbehaves.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    NeverAnswers,
    WritesGarbage,
    TooFewCpus,
    Crashes,
    WrongLabel,
    OtherOutput,
    HangsAfterwards,
    HearsNoGoodbye,
    FloodsInferences,
    ImpossibleDuration,
    NoDuration,
    FastClock,
}

fn send(stream: &mut UnixStream, message: &FromAgent) {
    // The host may have hung up: what it then thinks of us is the test's matter.
    let _ = message.write_to(stream);
}

fn receive(stream: &UnixStream) -> Option<ToAgent> {
    let mut decoder = Decoder::default();
    let mut chunk = [0; 1024];
    loop {
        if let Ok(Some(message)) = decoder.next_to_agent() {
            return Some(message);
        }
        match std::io::Read::read(&mut &*stream, &mut chunk) {
            Ok(length @ 1..) => decoder.push(&chunk[..length]),
            _ => return None,
        }
    }
}

/// A fake agent: the real protocol, made-up results.
fn agent(mut stream: UnixStream, fault: Fault) -> i32 {
    if fault == Fault::NeverAnswers {
        return receive(&stream).map_or(0, |_| 1);
    }
    let first = if fault == Fault::WritesGarbage { b'#' } else { BOOT_MARK };
    if std::io::Write::write_all(&mut stream, &[first]).is_err() {
        return 1;
    }
    greet(&mut stream, fault);
    let Some(ToAgent::Run(job)) = receive(&stream) else { return 0 };
    send(&mut stream, &FromAgent::Passed(Mark::ApplicationStarted));
    if fault == Fault::Crashes {
        return 139;
    }
    send(&mut stream, &FromAgent::Clock(1));
    work(&mut stream, &job, fault);
    let ahead = if fault == Fault::FastClock { 60_000_000_000 } else { 0 };
    send(&mut stream, &FromAgent::Clock(1 + ahead));
    send(&mut stream, &FromAgent::Finished);
    while receive(&stream).is_some() {
        if !matches!(fault, Fault::HangsAfterwards | Fault::HearsNoGoodbye) {
            return 0;
        }
    }
    if fault == Fault::HangsAfterwards {
        // Longer than the plan allows.
        std::thread::sleep(Duration::from_secs(1));
    }
    0
}

fn greet(stream: &mut UnixStream, fault: Fault) {
    let facts = InsideFacts {
        cpus: if fault == Fault::TooFewCpus { 0 } else { 1 },
        memory_limit_bytes: 64 << 20,
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        features_digest: Some("same".into()),
        ..InsideFacts::default()
    };
    let hello = Hello { protocol: PROTOCOL_VERSION, version: "0".into(), facts };
    send(stream, &FromAgent::Hello(hello));
}

fn work(stream: &mut UnixStream, job: &RunJob, fault: Fault) {
    let labels = "road-sign".parse::<isolde_apps::Choice>().unwrap().expected_labels().unwrap();
    let shift = if fault == Fault::OtherOutput { 0.5 } else { 0.0 };
    for index in 0..job.warm_up + job.inferences {
        let values = vec![index as f32 + shift; 3];
        let inference = Inference {
            index,
            phase: if index < job.warm_up { Phase::WarmUp } else { Phase::Steady },
            input: index,
            prepare_ns: 1,
            infer_ns: match fault {
                Fault::ImpossibleDuration => u64::MAX,
                Fault::NoDuration => 0,
                _ => 2,
            },
            interpret_ns: 3,
            label: labels[index as usize] + u32::from(fault == Fault::WrongLabel),
            output_digest: output_digest(&values),
            tasks: Vec::new(),
        };
        let copies = if fault == Fault::FloodsInferences { 100 } else { 1 };
        send(stream, &FromAgent::Inferences(vec![inference; copies]));
        send(stream, &FromAgent::Output(OutputTensor { input: index, values }));
    }
}

fn fake(name: &'static str, fault: Fault) -> Fake {
    Fake::new(name, move |stream| agent(stream, fault))
}

struct Finished {
    ended: Ended,
    bundle: Bundle,
    events: Vec<String>,
    /// Holds the bundle.
    _folder: tempfile::TempDir,
}

/// Runs `plan` with these back ends into a bundle; `None` without the right to
/// make cgroups.
fn run_fakes(plan: &Plan, fakes: Vec<Fake>, interrupt_at: Option<u32>) -> Option<Finished> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let mut provisions = Provisions::new(store, Path::new("/proc/self/exe")).unwrap();
    let workplace = Workplace::new(plan.resources.clone()).unwrap();
    let environments: Vec<(Box<dyn Backend>, Roots)> = fakes
        .into_iter()
        .map(|fake| {
            let prepared =
                provisions.prepare(&fake, &workplace, &Interrupt::new().unwrap()).unwrap();
            let roots = plan.applications.iter().map(|name| (name.clone(), prepared.clone()));
            let roots = roots.collect();
            (Box::new(fake) as Box<dyn Backend>, roots)
        })
        .collect();
    let path = folder.path().join("bundle");
    let header = BundleHeader {
        schema: SCHEMA_VERSION,
        isolde: "0".into(),
        started: "2026-01-01T00:00:00Z".into(),
        state: BundleState::Open,
    };
    let bundle = BundleWriter::create(&path, header, plan, &HostFacts::default(), &[]).unwrap();
    let interrupt = Interrupt::new().unwrap();
    let mut events = Vec::new();
    let mut listen = |event: &Event<'_>| {
        match event {
            Event::TrialStarted { trial } if Some(trial.index) == interrupt_at => {
                interrupt.trigger();
            }
            _ => {}
        }
        let text = format!("{event:?}");
        events.push(text.split([' ', '{']).next().unwrap_or_default().to_owned());
    };
    let invocation = |name: &String| (name.clone(), Invocation::default());
    let invocations = plan.sources.keys().map(invocation).collect();
    let enough_memory = [("road-sign".to_owned(), ByteSize::mebibytes(7777))].into();
    let workplace = &workplace;
    let experiment =
        Experiment { plan, environments, invocations, enough_memory, workplace, bundle };
    match run(experiment, &interrupt, &mut listen) {
        Ok(ended) => {
            Some(Finished { ended, bundle: Bundle::open(&path).unwrap(), events, _folder: folder })
        }
        Err(RunError::Cgroup(error)) => {
            skip(&error);
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn skip(error: &dyn std::error::Error) {
    eprintln!("skipped: {error}");
}

fn failures(bundle: &Bundle) -> Vec<(String, FailureKind)> {
    let trials = bundle.trials().unwrap();
    trials
        .iter()
        .filter_map(|record| match &record.outcome {
            Outcome::Completed => None,
            Outcome::Failed(failure) => Some((record.trial.environment.to_string(), failure.kind)),
        })
        .collect()
}

#[test]
fn a_good_run_keeps_every_sample_and_mark() {
    let plan = plan(&["a", "b"], 3);
    let mut one = fake("a", Fault::None);
    one.reading = Reading { cpu_ns: 42, ..Reading::default() };
    let Some(result) = run_fakes(&plan, vec![one, fake("b", Fault::None)], None) else { return };
    assert_eq!((result.ended.trials, result.ended.failed), (6, 0));
    assert_eq!(result.bundle.header().state, BundleState::Complete);
    let trials = result.bundle.trials().unwrap();
    assert_eq!(trials.len(), 6);
    for record in &trials {
        assert_eq!(result.bundle.inferences(record.trial.index).unwrap().len(), 6);
        assert_eq!(result.bundle.outputs(record.trial.index).unwrap().len(), 6);
        assert!(record.agreement.as_ref().unwrap().identical);
        let stamps: Vec<u64> = record.marks.iter().map(|stamp| stamp.at_ns).collect();
        assert!(stamps.is_sorted());
        assert_eq!(record.mark_ns(Mark::Requested), Some(0));
        assert!(record.mark_ns(Mark::TornDown).is_some());
    }
    let first = trials.iter().find(|record| record.trial.environment.as_str() == "a").unwrap();
    assert_eq!(first.reading.as_ref().unwrap().cpu_ns, 42);
    assert_eq!(result.events.first().unwrap(), "RunStarted");
    assert_eq!(result.events.last().unwrap(), "RunEnded");
}

#[test]
fn every_fault_is_a_failure_of_its_kind_and_spares_the_others() {
    let cases = [
        (Fault::NeverAnswers, FailureKind::TimedOut),
        (Fault::WritesGarbage, FailureKind::Protocol),
        (Fault::TooFewCpus, FailureKind::Parity),
        (Fault::Crashes, FailureKind::Crashed),
        (Fault::WrongLabel, FailureKind::Disagreement),
        (Fault::HangsAfterwards, FailureKind::TimedOut),
        (Fault::FloodsInferences, FailureKind::Protocol),
        (Fault::ImpossibleDuration, FailureKind::Protocol),
        (Fault::NoDuration, FailureKind::Clock),
        (Fault::FastClock, FailureKind::Clock),
    ];
    for (fault, kind) in cases {
        let plan = plan(&["good", "bad"], 1);
        let fakes = vec![fake("good", Fault::None), fake("bad", fault)];
        let Some(result) = run_fakes(&plan, fakes, None) else { return };
        assert_eq!(failures(&result.bundle), [("bad".to_owned(), kind)]);
        assert_eq!(result.ended.state, BundleState::Complete);
    }
}

#[test]
fn a_crash_for_want_of_memory_says_how_much_would_do() {
    let mut killed = fake("killed", Fault::Crashes);
    killed.reading = Reading { oom_kills: 1, ..Reading::default() };
    let Some(result) = run_fakes(&plan(&["killed"], 1), vec![killed], None) else { return };
    let record = &result.bundle.trials().unwrap()[0];
    let Outcome::Failed(failure) = &record.outcome else { panic!("{record:?}") };
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert_eq!(failure.hint.as_deref(), Some("--memory 7777M would do"));
}

#[test]
fn a_closed_line_says_goodbye_to_those_who_did_not_hear_it() {
    let plan = plan(&["deaf"], 1);
    let fakes = vec![fake("deaf", Fault::HearsNoGoodbye)];
    let Some(result) = run_fakes(&plan, fakes, None) else { return };
    assert_eq!((result.ended.trials, result.ended.failed), (1, 0));
}

#[test]
fn outputs_that_differ_on_the_same_cpu_are_a_failure() {
    let plan = plan(&["a", "b"], 1);
    let fakes = vec![fake("a", Fault::None), fake("b", Fault::OtherOutput)];
    let Some(result) = run_fakes(&plan, fakes, None) else { return };
    // Which of the two came first is the seed's choice; the second one fails.
    let [(_, kind)] = failures(&result.bundle)[..] else { panic!() };
    assert_eq!(kind, FailureKind::Disagreement);
}

#[test]
fn a_leak_and_a_refused_create_are_failures() {
    let plan = plan(&["leaky", "broken", "good"], 1);
    let mut leaky = fake("leaky", Fault::None);
    leaky.leaks = vec![Leak::new("cgroup", "stays")];
    let mut broken = fake("broken", Fault::None);
    broken.create_error = Some("no more of these");
    let fakes = vec![leaky, broken, fake("good", Fault::None)];
    let Some(result) = run_fakes(&plan, fakes, None) else { return };
    let mut found = failures(&result.bundle);
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [("broken", FailureKind::Backend), ("leaky", FailureKind::Leak)];
    assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind)));
    let trials = result.bundle.trials().unwrap();
    let broken = trials.iter().find(|record| record.trial.environment.as_str() == "broken");
    let Outcome::Failed(failure) = &broken.unwrap().outcome else { panic!() };
    assert!(failure.reason.contains("no more of these"), "{failure}");
}

#[test]
fn an_environment_that_keeps_failing_is_given_up() {
    let plan = plan(&["good", "bad"], 10);
    let fakes = vec![fake("good", Fault::None), fake("bad", Fault::Crashes)];
    let Some(result) = run_fakes(&plan, fakes, None) else { return };
    assert_eq!(failures(&result.bundle).len(), GIVE_UP_AFTER as usize);
    assert_eq!(result.ended.trials, 10 + GIVE_UP_AFTER as usize);
    assert_eq!(result.events.iter().filter(|event| *event == "EnvironmentGivenUp").count(), 1);
}

#[test]
fn an_interrupted_run_keeps_what_was_measured_and_nothing_else() {
    let plan = plan(&["a", "b"], 5);
    let fakes = vec![fake("a", Fault::None), fake("b", Fault::None)];
    let Some(result) = run_fakes(&plan, fakes, Some(4)) else { return };
    assert_eq!(result.ended.state, BundleState::Interrupted);
    assert_eq!(result.bundle.trials().unwrap().len(), 4);
    assert_eq!(result.bundle.header().state, BundleState::Interrupted);
}

#[test]
fn a_spent_budget_ends_the_run_between_blocks() {
    let mut plan = plan(&["slow"], 1000);
    plan.budget = Some(Span(Duration::from_millis(300)));
    let launches = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&launches);
    let slow = Fake::new("slow", move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        agent(stream, Fault::None)
    });
    let Some(result) = run_fakes(&plan, vec![slow], None) else { return };
    assert_eq!(result.ended.state, BundleState::BudgetSpent);
    assert_eq!(result.bundle.trials().unwrap().len(), launches.load(Ordering::SeqCst) as usize);
    assert!(launches.load(Ordering::SeqCst) >= 1);
}
