//! Runs of programs of the user's: what fake agents say of them.

use isolde_model::{ProgramFacts, ReadySign, Timing};

use super::*;

/// A plan whose only application is the program `own`.
fn plan_of_program(environments: &[&str]) -> Plan {
    let source = ProgramSource {
        image: None,
        command: vec!["own".into()],
        files: Vec::new(),
        ready: ReadySign::Line,
        inferences: Some(3),
    };
    Plan {
        applications: vec!["own".into()],
        sources: BTreeMap::from([("own".to_owned(), Source::Program(source))]),
        ..plan(environments, 1)
    }
}

fn inference(index: u32, output: &str) -> Inference {
    Inference {
        index,
        phase: Phase::WarmUp,
        input: index,
        prepare_ns: 0,
        infer_ns: 5,
        interpret_ns: 0,
        label: 0,
        output_digest: output.into(),
        tasks: Vec::new(),
    }
}

fn ended(change: impl FnOnce(&mut ProgramFacts)) -> FromAgent {
    let mut facts = ProgramFacts {
        status: Some(0),
        timing: Timing::Program,
        inferences: 2,
        short: true,
        ..ProgramFacts::default()
    };
    change(&mut facts);
    FromAgent::ProgramEnded(facts)
}

/// What an agent says of a good program that tells this output.
fn good(output: &str) -> Vec<FromAgent> {
    let inferences = vec![inference(0, output), inference(1, output)];
    vec![
        FromAgent::Passed(Mark::ApplicationStarted),
        FromAgent::Inferences(inferences),
        ended(|_| {}),
    ]
}

/// An agent that says so, whatever it is asked, and then that it is done.
fn saying(name: &'static str, words: Vec<FromAgent>) -> Fake {
    Fake::new(name, move |mut stream| {
        let mark = std::io::Write::write_all(&mut stream, &[BOOT_MARK]);
        greet(&mut stream, Fault::None);
        if mark.is_err() || receive(&stream).is_none() {
            return 1;
        }
        words.iter().for_each(|message| send(&mut stream, message));
        send(&mut stream, &FromAgent::Finished);
        let _ = receive(&stream);
        0
    })
}

#[test]
fn a_program_is_kept_with_what_is_known_of_it() {
    let plan = plan_of_program(&["a", "b"]);
    let fakes = vec![saying("a", good("")), saying("b", good(""))];
    let Some(result) = run_fakes(&plan, fakes, None) else { return };
    assert_eq!(failures(&result.bundle), []);
    for record in result.bundle.trials().unwrap() {
        assert_eq!(record.agreement, None);
        assert_eq!(record.program.unwrap().timing, Timing::Program);
        let inferences = result.bundle.inferences(record.trial.index).unwrap();
        // No more than the warm-up has: all count.
        assert!(inferences.iter().all(|inference| inference.phase == Phase::Steady));
    }
}

#[test]
fn other_outputs_are_a_failure() {
    let plan = plan_of_program(&["a", "b"]);
    let fakes = vec![saying("a", good("0123456789abcdef")), saying("b", good("fedcba9876543210"))];
    let Some(result) = run_fakes(&plan, fakes, None) else { return };
    let [(_, kind)] = failures(&result.bundle)[..] else { panic!() };
    assert_eq!(kind, FailureKind::Disagreement);
}

#[test]
fn what_does_not_fit_together_is_a_failure() {
    let without_end = good("")[..2].to_vec();
    let twice = [good(""), vec![ended(|_| {})]].concat();
    let too_many = vec![FromAgent::Inferences(vec![inference(0, ""); 100]), ended(|_| {})];
    let digest = vec![FromAgent::Inferences(vec![inference(0, "x")])];
    let values: Vec<f32> = std::iter::repeat_n(0.0, program::MOST_VALUES + 1).collect();
    let outputs: Vec<FromAgent> = values
        .chunks(200_000)
        .zip(0..)
        .map(|(values, input)| FromAgent::Output(OutputTensor { input, values: values.to_vec() }))
        .collect();
    let fewer = vec![FromAgent::Inferences(vec![inference(0, "")]), ended(|_| {})];
    for (number, words) in
        [without_end, twice, too_many, digest, outputs, fewer].into_iter().enumerate()
    {
        let plan = plan_of_program(&["bad"]);
        let Some(result) = run_fakes(&plan, vec![saying("bad", words)], None) else { return };
        let found = failures(&result.bundle);
        assert_eq!(found, [("bad".to_owned(), FailureKind::Protocol)], "case {number}");
    }
    // Nor does the end of a program fit an application of Isolde's own.
    let own = plan(&["bad"], 1);
    let Some(result) = run_fakes(&own, vec![saying("bad", good(""))], None) else { return };
    assert_eq!(failures(&result.bundle), [("bad".to_owned(), FailureKind::Protocol)]);
}

#[test]
fn a_bad_end_is_a_failure_of_its_kind() {
    let with = |end: FromAgent| [good("")[..2].to_vec(), vec![end]].concat();
    let cases = [
        (with(ended(|facts| facts.status = Some(3))), 0, FailureKind::Application),
        (with(ended(|facts| facts.timed_out = true)), 0, FailureKind::TimedOut),
        (with(ended(|facts| facts.violation = Some("x".into()))), 0, FailureKind::Application),
        // The program itself may have got over the loss of a child.
        (good(""), 1, FailureKind::OutOfMemory),
    ];
    for (words, oom_kills, kind) in cases {
        let mut fake = saying("bad", words);
        fake.reading = Reading { oom_kills, ..Reading::default() };
        let Some(result) = run_fakes(&plan_of_program(&["bad"]), vec![fake], None) else { return };
        assert_eq!(failures(&result.bundle), [("bad".to_owned(), kind)]);
        assert!(result.bundle.trials().unwrap()[0].program.is_some());
    }
}
