//! What is written is read back, whole or not at all.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

use isolde_bundle::{Bundle, BundleError, BundleWriter, now_utc, trial_path};
use isolde_model::{
    BundleHeader, BundleState, ByteSize, Deadlines, EnvironmentName, EnvironmentReport, HostFacts,
    Inference, Mark, MarkStamp, Outcome, OutputTensor, Phase, Plan, Preset, Readiness, Resources,
    SCHEMA_VERSION, TaskTime, Trial, TrialRecord,
};
use proptest::prelude::*;

fn header() -> BundleHeader {
    let (isolde, started) = ("0.1.0".into(), now_utc());
    BundleHeader { schema: SCHEMA_VERSION, isolde, started, state: BundleState::Open }
}

fn plan() -> Plan {
    Plan {
        schema: SCHEMA_VERSION,
        preset: Preset::Quick,
        seed: u64::from(u32::MAX),
        applications: vec!["road-sign".into()],
        environments: vec![EnvironmentName::new("process")],
        launches: 3,
        inferences: 10,
        warm_up: 2,
        baseline: EnvironmentName::new("process"),
        include_emulated: false,
        kernel: None,
        budget: None,
        resources: Resources { cpus: 2, memory: ByteSize::mebibytes(256), threads: 1.into() },
        deadlines: Deadlines::default(),
        sources: std::collections::BTreeMap::new(),
    }
}

fn environments() -> Vec<EnvironmentReport> {
    vec![EnvironmentReport {
        environment: EnvironmentName::new("docker"),
        description: "Docker Engine".into(),
        readiness: Readiness::missing_packages("no Docker Engine", &["docker.io"]),
    }]
}

fn record(index: u32) -> TrialRecord {
    TrialRecord {
        trial: Trial {
            index,
            block: index,
            position: 0,
            environment: EnvironmentName::new("process"),
            application: "road-sign".into(),
            threads: 1,
        },
        outcome: Outcome::Completed,
        emulated: false,
        marks: vec![MarkStamp { mark: Mark::AgentUp, at_ns: 5 }],
        reading: None,
        inside: None,
        agreement: None,
        leaks: Vec::new(),
        console_tail: None,
        tasks: Vec::new(),
        program: None,
    }
}

fn inference(index: u32) -> Inference {
    Inference {
        index,
        phase: Phase::Steady,
        input: 0,
        prepare_ns: 1,
        infer_ns: 2,
        interpret_ns: 3,
        label: 4,
        output_digest: "0123456789abcdef".into(),
        tasks: Vec::new(),
    }
}

fn create(path: &Path) -> BundleWriter {
    BundleWriter::create(path, header(), &plan(), &HostFacts::default(), &environments()).unwrap()
}

#[test]
fn a_run_is_read_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/yet/there");
    let writer = create(&path);
    assert_eq!(Bundle::open(&path).unwrap().header().state, BundleState::Open);

    let inferences = [inference(0), Inference { infer_ns: i64::MAX as u64, ..inference(1) }];
    let outputs = [
        OutputTensor { input: 0, values: vec![0.5, f32::MIN] },
        OutputTensor { input: 3, values: vec![-0.0] },
    ];
    writer.write_trial(&record(10), &inferences, &outputs).unwrap();
    writer.write_trial(&record(9), &[], &[]).unwrap();
    writer.write_trial(&record(123_456), &[], &[]).unwrap();
    writer.close(BundleState::BudgetSpent).unwrap();

    let bundle = Bundle::open(&path).unwrap();
    assert_eq!(bundle.header().state, BundleState::BudgetSpent);
    assert_eq!(*bundle.plan(), plan());
    assert_eq!(*bundle.host(), HostFacts::default());
    assert_eq!(bundle.environments(), environments());
    assert_eq!(bundle.trials().unwrap(), [9, 10, 123_456].map(record));
    assert_eq!(bundle.inferences(10).unwrap(), inferences);
    assert_eq!(bundle.outputs(10).unwrap(), outputs);
    assert_eq!(bundle.inferences(9).unwrap(), []);
    assert_eq!(bundle.outputs(9).unwrap(), []);
    let names = fs::read_dir(path.join("trials")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("tmp")));
}

#[test]
fn tasks_are_kept_where_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    let writer = create(folder.path());
    let time = |prepare_ns| TaskTime { prepare_ns, infer_ns: 20, interpret_ns: 300 };
    let record = TrialRecord { tasks: vec!["light".into(), "lanes".into()], ..record(4) };
    let inferences =
        [0, 1].map(|index| Inference { tasks: vec![time(1), time(2)], ..inference(index) });
    writer.write_trial(&record, &inferences, &[]).unwrap();
    let uneven = [Inference { tasks: vec![time(1)], ..inference(0) }];
    let other = TrialRecord { trial: Trial { index: 5, ..record.trial.clone() }, ..record.clone() };
    assert!(writer.write_trial(&other, &uneven, &[]).is_err());
    let bundle = Bundle::open(folder.path()).unwrap();
    assert_eq!(bundle.trials().unwrap(), [record]);
    assert_eq!(bundle.inferences(4).unwrap(), inferences);
    fs::write(folder.path().join("trials/00004/tasks.parquet"), "other").unwrap();
    assert!(bundle.inferences(4).unwrap_err().to_string().contains("tasks.parquet"));
}

#[test]
fn an_older_run_is_never_written_into() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    let error = BundleWriter::create(folder.path(), header(), &plan(), &HostFacts::default(), &[]);
    assert!(matches!(error, Err(BundleError::NotEmpty { .. })), "{error:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_trial_that_cannot_be_kept_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writer = create(folder.path());
    let too_long = Inference { infer_ns: u64::MAX, ..inference(0) };
    let error = writer.write_trial(&record(0), &[too_long], &[]).unwrap_err();
    assert!(error.to_string().contains("infer_ns"), "{error}");
    writer.write_trial(&record(1), &[], &[]).unwrap();
    let again = writer.write_trial(&record(1), &[inference(0)], &[]).unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    let trials = Bundle::open(folder.path()).unwrap().trials().unwrap();
    assert_eq!(trials, [record(1)]);
    assert_eq!(fs::read_dir(folder.path().join("trials")).unwrap().count(), 1);
}

#[test]
fn what_a_dying_program_leaves_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    create(folder.path()).write_trial(&record(0), &[], &[]).unwrap();
    let half = folder.path().join("trials/.00001.tmp-4242");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("trial.json"), "{").unwrap();
    assert_eq!(Bundle::open(folder.path()).unwrap().trials().unwrap(), [record(0)]);
}

#[test]
fn what_is_no_bundle_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let why = |path: &Path| Bundle::open(path).unwrap_err().to_string();
    assert!(why(folder.path()).contains("empty"));
    fs::write(&file, "").unwrap();
    assert!(why(folder.path()).contains("no bundle.json"));
    assert!(why(&file).contains("not a folder"));
    assert!(why(&folder.path().join("gone")).contains("nothing there"));
}

#[test]
fn a_newer_bundle_says_which_program_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    create(folder.path());
    let json = r#"{"schema": 2, "isolde": "7.5.0", "a field of the future": []}"#;
    fs::write(folder.path().join("bundle.json"), json).unwrap();
    let error = Bundle::open(folder.path()).unwrap_err();
    assert!(matches!(error, BundleError::Newer { found: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("7.5.0"), "{error}");
}

#[test]
fn damage_names_its_file() {
    let names = [
        "bundle.json",
        "plan.toml",
        "host.json",
        "environments.json",
        "trials/00000/trial.json",
        "trials/00000/inferences.parquet",
        "trials/00000/outputs.parquet",
    ];
    for name in names {
        let folder = tempfile::tempdir().unwrap();
        let outputs = [OutputTensor { input: 0, values: vec![1.0; 50] }];
        create(folder.path()).write_trial(&record(0), &[inference(0)], &outputs).unwrap();
        let path = folder.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        // One bit in the middle is enough for a table; text is cut.
        let middle = bytes.len() / 2;
        if name.ends_with("parquet") {
            bytes[middle] ^= 1
        } else {
            bytes.truncate(middle)
        }
        fs::write(&path, bytes).unwrap();
        let read = || {
            let bundle = Bundle::open(folder.path())?;
            bundle.trials()?;
            bundle.inferences(0)?;
            bundle.outputs(0)
        };
        let error = read().unwrap_err();
        assert!(matches!(error, BundleError::Damaged { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains(name), "{name}: {error}");
    }
}

#[test]
fn a_record_in_another_trials_folder_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    create(folder.path()).write_trial(&record(3), &[], &[]).unwrap();
    fs::rename(trial_path(folder.path(), 3), trial_path(folder.path(), 4)).unwrap();
    let error = Bundle::open(folder.path()).unwrap().trials().unwrap_err();
    assert!(error.to_string().contains("record of trial 3"), "{error}");
}

prop_compose! {
    fn any_inference()(
        (index, input, label) in any::<(u32, u32, u32)>(),
        steady: bool,
        times in prop::array::uniform3(0..i64::MAX as u64),
        output_digest in ".{0,16}",
    ) -> Inference {
        let phase = if steady { Phase::Steady } else { Phase::WarmUp };
        let [prepare_ns, infer_ns, interpret_ns] = times;
        Inference { index, phase, input, prepare_ns, infer_ns, interpret_ns, label, output_digest, tasks: Vec::new() }
    }
}

prop_compose! {
    fn any_output()(
        input: u32,
        values in prop::collection::vec(any::<f32>(), 1..40),
    ) -> OutputTensor {
        OutputTensor { input, values }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_trial_survives(
        index: u32,
        inferences in prop::collection::vec(any_inference(), 0..60),
        outputs in prop::collection::vec(any_output(), 0..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        create(folder.path()).write_trial(&record(index), &inferences, &outputs).unwrap();
        let bundle = Bundle::open(folder.path()).unwrap();
        prop_assert_eq!(bundle.trials().unwrap(), [record(index)]);
        prop_assert_eq!(bundle.inferences(index).unwrap(), inferences);
        prop_assert_eq!(bundle.outputs(index).unwrap(), outputs);
    }
}
