//! What surrounds the network, tasks, and numbers of threads.

use isolde_report::{Comparison, Figure, Summary};

use crate::synthetic::{Environment, Run, run};
use crate::{summary, text, three};

const TASKS: [&str; 5] = ["frame", "detection", "light", "sign", "lanes"];

pub(crate) fn scenario(environments: Vec<Environment>) -> Run {
    Run { application: "driving-scenario", tasks: &TASKS, ..run(environments) }
}

#[test]
fn an_application_with_tasks() {
    insta::assert_snapshot!(text(&scenario(three())));
}

#[test]
fn an_application_of_reference_size_swept_over_threads() {
    let application = "traffic-light:reference";
    let mut environments = three();
    environments[2].fails_in = (0..6).collect();
    let sweep = Run { application, threads: vec![1, 2, 4], ..run(environments) };
    insta::assert_snapshot!(text(&sweep));
}

#[test]
fn the_whole_is_what_its_phases_and_tasks_add_up_to() {
    let rows = summary(&scenario(three())).rows;
    let [row, ..] = &rows[..] else { panic!("no row") };
    let value = |figure: &Figure| figure.value().unwrap();
    let phases = row.phases.as_ref().unwrap();
    assert_eq!(value(&phases.prepare_median_ns), 10_000.0);
    assert_eq!(value(&phases.interpret_median_ns), 500.0);
    let whole = value(&phases.whole.median_ns);
    assert_eq!(whole, value(&row.inference.median_ns) + 10_500.0);
    let names: Vec<&str> = row.tasks.iter().map(|task| &*task.task).collect();
    assert_eq!(names, TASKS);
    let tasks: f64 = row.tasks.iter().map(|task| value(&task.whole.median_ns)).sum();
    assert!((tasks / whole - 1.0).abs() < 1e-3, "{tasks} {whole}");
    assert!(value(&phases.whole.p99_ns) > whole);
    // What is the same in both environments brings the ratio nearer to 1.
    let ratio = |comparison: &Comparison| match comparison {
        Comparison::Compared { ratio, .. } => *ratio,
        other => panic!("{other:?}"),
    };
    let docker = &rows[2];
    let of_whole = ratio(&docker.phases.as_ref().unwrap().comparison);
    assert!(1.0 < of_whole && of_whole < ratio(&docker.comparison));
}

#[test]
fn a_speed_up_is_told_against_the_fewest_threads_of_the_same_environment() {
    let swept = Run { threads: vec![2, 1], ..run(three()) };
    for row in summary(&swept).rows {
        let times = row.speed_up.unwrap();
        let expected = if row.threads == 1 { 1.0 } else { 4.0 / 3.0 };
        assert!((times / expected - 1.0).abs() < 0.02, "{times}");
        assert!(matches!(
            row.comparison,
            Comparison::Baseline | Comparison::Compared { blocks: 6, .. }
        ));
    }
    assert_eq!(summary(&run(three())).rows[0].speed_up, None);
}

#[test]
fn a_summary_of_before_phases_is_read() {
    let mut json = serde_json::to_value(summary(&scenario(three()))).unwrap();
    for row in json["rows"].as_array_mut().unwrap() {
        let row = row.as_object_mut().unwrap();
        for field in ["phases", "tasks", "threads"] {
            row.remove(field).unwrap();
        }
    }
    let old: Summary = serde_json::from_value(json).unwrap();
    assert!(old.rows.iter().all(|row| row.phases.is_none() && row.tasks.is_empty()));
}
