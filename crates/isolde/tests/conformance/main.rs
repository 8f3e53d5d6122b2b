//! The one conformance suite: every environment passes the same checks, with
//! the real agent and real sandboxes.
//!
//! An environment that cannot run here is skipped with its reason, unless
//! `ISOLDE_REQUIRE` (names separated by commas) says that it must be there.

#![expect(clippy::unwrap_used, reason = "a stage that cannot be set fails its test")]

mod checks;
mod stage;

use stage::Stage;

/// Everything that is wrong with an environment, one line a check.
fn run_suite(environment: &str) {
    let Some(mut stage) = Stage::set(environment) else { return };
    let mut wrong = Vec::new();
    for (name, check) in checks::ALL {
        let result = check(&mut stage).and_then(|()| stage.expect_clean());
        report(environment, name, &result);
        if let Err(reason) = result {
            wrong.push(format!("{name}: {reason}"));
        }
    }
    for leak in stage.backend.retire() {
        wrong.push(format!("retire left {}: {}", leak.what, leak.detail));
    }
    assert!(wrong.is_empty(), "{environment}:\n{}", wrong.join("\n"));
}

#[expect(clippy::print_stderr, reason = "which check, shown with the test's output")]
fn report(environment: &str, name: &str, result: &Result<(), String>) {
    eprintln!("{environment}: {name}: {result:?}");
}

#[test]
fn process_conforms() {
    run_suite("process");
}

#[test]
fn container_conforms() {
    run_suite("container");
}

#[test]
fn docker_conforms() {
    run_suite("docker");
}

#[test]
fn vm_conforms() {
    run_suite("vm");
}

#[test]
fn no_environment_is_left_out() {
    let tested = ["process", "container", "docker", "vm"];
    let all: Vec<String> =
        isolde_backends::all().iter().map(|backend| backend.name().to_string()).collect();
    assert_eq!(all, tested);
}
