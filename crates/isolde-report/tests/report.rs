//! What people and programs read of a run.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod phases;
mod synthetic;

use isolde_model::{
    BundleState, EnvironmentReport, HostFacts, KvmFacts, ProgramFacts, Readiness, Ready, Timing,
};
use isolde_report::{Comparison, LeftOut, Style, Summary, render_host, render_text};
use synthetic::{Environment, Run, environment, host, missing, run};

const PLAIN: Style = Style { colour: false };

fn summary(run: &Run) -> Summary {
    let folder = tempfile::tempdir().unwrap();
    let mut summary = Summary::of(&run.bundle(&folder.path().join("run"))).unwrap();
    summary.bundle = "results/run".into();
    summary
}

fn text(run: &Run) -> String {
    render_text(&summary(run), PLAIN)
}

fn docker() -> Environment {
    Environment { daemon_ns: Some(31_000_000), ..environment("docker", 1.02) }
}

fn emulated_vm() -> Environment {
    Environment { emulated: true, ..environment("vm", 40.0) }
}

fn three() -> Vec<Environment> {
    vec![environment("process", 1.0), environment("container", 1.01), docker()]
}

#[test]
fn a_good_run() {
    insta::assert_snapshot!(text(&run(three())));
}

#[test]
fn with_failed_launches_and_an_environment_given_up() {
    let mut environments = three();
    environments[1].fails_in = vec![1, 4];
    environments[2].fails_in = vec![0, 1, 2];
    environments[2].given_up_from = Some(3);
    insta::assert_snapshot!(text(&run(environments)));
}

#[test]
fn on_an_emulated_device() {
    let mut host = host();
    host.cpu.emulated = Some("QEMU's translator runs it".into());
    let environments =
        three().into_iter().map(|environment| Environment { emulated: true, ..environment });
    insta::assert_snapshot!(text(&Run { host, ..run(environments.collect()) }));
}

#[test]
fn with_missing_environments() {
    let missing = vec![
        missing("docker", "no Docker Engine", &["docker.io"]),
        missing("vm", "no QEMU and no guest kernel", &["qemu-system-arm", "linux-image-arm64"]),
    ];
    let environments = three()[..2].to_vec();
    insta::assert_snapshot!(text(&Run { missing, ..run(environments) }));
}

#[test]
fn with_an_emulated_machine() {
    let mut environments = three();
    environments.insert(1, emulated_vm());
    insta::assert_snapshot!(text(&run(environments)));
}

#[test]
fn interrupted() {
    let mut host = host();
    host.cpu.governor = Some("ondemand".into());
    host.throttling = vec!["under-voltage now".into()];
    host.load_1m_thousandths = 2310;
    let stop = Run { stop_after: 8, state: BundleState::Interrupted, host, ..run(three()) };
    insta::assert_snapshot!(text(&stop));
}

#[test]
fn a_single_launch_of_few_inferences() {
    insta::assert_snapshot!(text(&Run { launches: 1, inferences: 20, ..run(three()) }));
}

#[test]
fn a_single_environment() {
    insta::assert_snapshot!(text(&run(vec![environment("process", 1.0)])));
}

fn program(timing: Timing, inferences: u32, outputs: u32) -> Option<ProgramFacts> {
    Some(ProgramFacts { timing, inferences, outputs, status: Some(0), ..ProgramFacts::default() })
}

#[test]
fn a_program_that_tells_its_inferences() {
    let program = program(Timing::Program, 70, 70);
    insta::assert_snapshot!(text(&Run { program, ..run(three()) }));
}

#[test]
fn a_program_that_tells_no_durations_and_no_outputs() {
    let mut program = program(Timing::Agent, 70, 0);
    if let Some(facts) = &mut program {
        facts.together = 3;
    }
    insta::assert_snapshot!(text(&Run { program, ..run(three()) }));
}

#[test]
fn a_program_that_tells_nothing() {
    let program = program(Timing::Whole, 0, 0);
    insta::assert_snapshot!(text(&Run { program, ..run(three()) }));
}

#[test]
fn a_server_of_which_only_the_cold_start_is_known() {
    let mut program = program(Timing::ColdStart, 0, 0);
    if let Some(facts) = &mut program {
        facts.ready = true;
    }
    insta::assert_snapshot!(text(&Run { program, ..run(three()) }));
}

#[test]
fn nothing_measured_at_all() {
    let none = Run { stop_after: 0, state: BundleState::Interrupted, ..run(three()) };
    insta::assert_snapshot!(text(&none));
}

#[test]
fn as_json() {
    let json = serde_json::to_string_pretty(&summary(&run(three()))).unwrap();
    insta::assert_snapshot!(json);
    assert_eq!(serde_json::from_str::<Summary>(&json).unwrap().rows.len(), 3);
}

fn comparison(run: &Run, environment: &str) -> Comparison {
    let rows = summary(run).rows;
    rows.into_iter().find(|row| row.environment == environment).unwrap().comparison
}

fn is_left_out(comparison: &Comparison, expected: LeftOut) -> bool {
    matches!(comparison, Comparison::LeftOut { reason, .. } if *reason == expected)
}

#[test]
fn a_planned_environment_that_is_missing_has_no_row_of_nothing() {
    let mut run = run(three());
    run.environments[2].given_up_from = Some(0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    run.bundle(&path);
    let reports = [missing("docker", "no Docker Engine", &["docker.io"])];
    std::fs::write(path.join("environments.json"), serde_json::to_string(&reports).unwrap())
        .unwrap();
    let summary = Summary::of(&isolde_bundle::Bundle::open(&path).unwrap()).unwrap();
    assert_eq!((summary.rows.len(), summary.planned_launches), (2, 12));
    assert_eq!(summary.unavailable[0].environment, "docker");
}

#[test]
fn emulated_environments_are_compared_only_when_asked_for() {
    let environments = vec![environment("process", 1.0), emulated_vm()];
    let apart = run(environments.clone());
    assert!(is_left_out(&comparison(&apart, "vm"), LeftOut::Emulated));
    let together = Run { include_emulated: true, ..run(environments) };
    assert!(matches!(comparison(&together, "vm"), Comparison::Compared { blocks: 6, .. }));
}

#[test]
fn an_emulated_baseline_is_no_baseline() {
    let run = Run { baseline: "vm", ..run(vec![environment("process", 1.0), emulated_vm()]) };
    assert!(is_left_out(&comparison(&run, "process"), LeftOut::BaselineEmulated));
    assert_eq!(comparison(&run, "vm"), Comparison::Baseline);
    assert_eq!(summary(&run).rows[0].environment, "vm");
}

#[test]
fn blocks_that_one_of_the_two_lacks_are_not_compared() {
    let mut environments = three();
    environments[0].fails_in = vec![0, 1];
    environments[1].fails_in = vec![1, 2];
    let run = run(environments);
    assert!(matches!(
        comparison(&run, "container"),
        Comparison::Compared { blocks: 3, interval: None, .. }
    ));
}

#[test]
fn over_complete_blocks_the_ratio_is_the_quotient_of_the_medians_shown() {
    let summary = summary(&run(three()));
    let median = |row: usize| summary.rows[row].inference.median_ns.value().unwrap();
    let Comparison::Compared { ratio, interval: Some([low, high]), .. } =
        summary.rows[1].comparison
    else {
        panic!("{:?}", summary.rows[1].comparison)
    };
    assert_eq!(ratio, median(1) / median(0));
    assert!(low <= ratio && ratio <= high);
}

#[test]
fn warm_up_is_in_no_figure() {
    let rows = summary(&run(three())).rows;
    assert_eq!(rows[0].steady_inferences, 600);
    assert!(rows[0].inference.p99_ns.value().unwrap() < 37_000.0 * 1.05);
}

#[test]
fn nothing_that_a_terminal_acts_on_is_printed() {
    const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{202e}";
    let mut environments = three();
    environments[1].fails_in = vec![0];
    let mut run = Run { reason: HOSTILE.into(), ..run(environments) };
    run.host.machine = Some(HOSTILE.into());
    run.host.cpu.model = Some(HOSTILE.into());
    run.host.cpu.governor = Some(HOSTILE.into());
    run.host.kernel = HOSTILE.into();
    run.host.throttling = vec![HOSTILE.into()];
    run.host.kvm = KvmFacts::Absent { reason: HOSTILE.into(), hint: HOSTILE.into() };
    run.missing = vec![missing(HOSTILE, HOSTILE, &[HOSTILE])];
    run.tasks = &[HOSTILE];
    let mut summary = summary(&run);
    summary.plan.applications = vec![HOSTILE.into()];
    for row in &mut summary.rows {
        row.application = HOSTILE.into();
        row.environment = HOSTILE.into();
        row.note = Some(HOSTILE.into());
        row.agreement = Some(HOSTILE.into());
    }
    summary.leaks = vec![HOSTILE.into()];
    summary.isolde = HOSTILE.into();
    summary.started = HOSTILE.into();
    summary.bundle = HOSTILE.into();
    let text = render_text(&summary, PLAIN) + &render_host(&run.host, &run.missing, PLAIN);
    assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
}

#[test]
fn it_fits_100_columns_and_colour_changes_no_letter() {
    let mut environments = three();
    environments.push(Environment { emulated: true, ..environment("firecracker-restore", 30.0) });
    environments[1].fails_in = vec![0];
    let missing = vec![missing("docker", "no Docker Engine", &["docker.io"])];
    let mut host = host();
    host.cpu.governor = Some("ondemand".into());
    let run = Run { missing, include_emulated: true, host, ..phases::scenario(environments) };
    let run = Run { application: "driving-scenario:reference", threads: vec![1, 2, 4], ..run };
    let summary = summary(&run);
    let plain = render_text(&summary, PLAIN);
    for line in plain.lines() {
        assert!(line.chars().count() <= 100, "{} {line}", line.chars().count());
    }
    let coloured = render_text(&summary, Style { colour: true });
    let mut bare = String::new();
    for (number, part) in coloured.split('\u{1b}').enumerate() {
        bare += if number == 0 { part } else { part.split_once('m').unwrap().1 };
    }
    assert_eq!(bare, plain);
    assert_ne!(coloured, plain);
}

fn ready(name: &str, emulated: bool, note: Option<&str>) -> EnvironmentReport {
    let note = note.map(str::to_owned);
    let readiness = Readiness::Ready(Ready { version: format!("{name} 7.2"), emulated, note });
    EnvironmentReport { readiness, ..missing(name, "", &[]) }
}

#[test]
fn doctor_on_a_good_host() {
    let environments = [ready("process", false, None), ready("vm", false, None)];
    insta::assert_snapshot!(render_host(&host(), &environments, PLAIN));
}

#[test]
fn doctor_on_a_poor_host() {
    let mut host = host();
    host.cpu.governor = Some("ondemand".into());
    host.cpu.virtualized = true;
    host.swap_bytes = 2 << 30;
    host.swap_used_bytes = 300 << 20;
    host.throttling = vec!["frequency capped now".into(), "soft temperature limit seen".into()];
    host.load_1m_thousandths = 5200;
    host.kvm = KvmFacts::Emulated { picoseconds_per_iteration: 812_000 };
    let environments = [
        ready("process", false, None),
        ready("vm", true, Some("KVM emulates guest code: software emulation is used")),
        missing("docker", "no Docker Engine", &["docker.io"]),
    ];
    insta::assert_snapshot!(render_host(&host, &environments, PLAIN));
}

#[test]
fn doctor_on_a_host_that_tells_nothing() {
    let broken = KvmFacts::Broken { reason: "KVM_RUN: exit reason 17".into() };
    let host = HostFacts { kvm: broken, ..HostFacts::default() };
    insta::assert_snapshot!(render_host(&host, &[], PLAIN));
}
