//! The one conformance suite: every environment passes the same checks, with
//! the real agent and real sandboxes.
//!
//! An environment that cannot run here is skipped with its reason, unless
//! `ISOLDE_REQUIRE` (names separated by commas) says that it must be there.

#![expect(clippy::unwrap_used, reason = "a stage that cannot be set fails its test")]

mod alike;
mod checks;
mod stage;
mod writable;

use stage::{Root, Stage};

/// Everything that is wrong with an environment, one line a check.
fn run_suite(environment: &str, root: Root) {
    let Some(mut stage) = Stage::set(environment, root) else { return };
    let mut wrong = Vec::new();
    let checks: &[(&str, checks::Check)] = match root {
        Root::ReadOnly => &checks::ALL,
        Root::Writable => &writable::ALL,
    };
    for (name, check) in checks {
        let result = check(&mut stage).and_then(|()| stage.expect_clean());
        report(environment, name, &result);
        if let Err(reason) = result {
            wrong.push(format!("{name}: {reason}"));
        }
    }
    wrong.extend(stage.retire().into_iter().map(|left| format!("retire left {left}")));
    assert!(wrong.is_empty(), "{environment}:\n{}", wrong.join("\n"));
}

#[expect(clippy::print_stderr, reason = "which check, shown with the test's output")]
fn report(environment: &str, name: &str, result: &Result<(), String>) {
    eprintln!("{environment}: {name}: {result:?}");
}

#[test]
fn process_conforms() {
    run_suite("process", Root::ReadOnly);
}

#[test]
fn process_conforms_with_a_writable_root() {
    run_suite("process", Root::Writable);
}

#[test]
fn container_conforms() {
    run_suite("container", Root::ReadOnly);
}

#[test]
fn container_conforms_with_a_writable_root() {
    run_suite("container", Root::Writable);
}

#[test]
fn docker_conforms() {
    run_suite("docker", Root::ReadOnly);
}

#[test]
fn docker_conforms_with_a_writable_root() {
    run_suite("docker", Root::Writable);
}

#[test]
fn cloud_hypervisor_conforms() {
    run_suite("cloud-hypervisor", Root::ReadOnly);
}

#[test]
fn cloud_hypervisor_conforms_with_a_writable_root() {
    run_suite("cloud-hypervisor", Root::Writable);
}

#[test]
fn microvm_conforms() {
    run_suite("microvm", Root::ReadOnly);
}

#[test]
fn microvm_conforms_with_a_writable_root() {
    run_suite("microvm", Root::Writable);
}

#[test]
fn firecracker_conforms() {
    run_suite("firecracker", Root::ReadOnly);
}

#[test]
fn firecracker_conforms_with_a_writable_root() {
    run_suite("firecracker", Root::Writable);
}

#[test]
fn firecracker_restore_conforms() {
    run_suite("firecracker-restore", Root::ReadOnly);
}

#[test]
fn firecracker_restore_conforms_with_a_writable_root() {
    run_suite("firecracker-restore", Root::Writable);
}

#[test]
fn qemu_microvm_conforms() {
    run_suite("qemu-microvm", Root::ReadOnly);
}

#[test]
fn qemu_microvm_conforms_with_a_writable_root() {
    run_suite("qemu-microvm", Root::Writable);
}

#[test]
fn vm_conforms() {
    run_suite("vm", Root::ReadOnly);
}

#[test]
fn vm_conforms_with_a_writable_root() {
    run_suite("vm", Root::Writable);
}

#[test]
fn no_environment_is_left_out() {
    let tested = [
        "process",
        "container",
        "docker",
        "microvm",
        "firecracker",
        "firecracker-restore",
        "cloud-hypervisor",
        "qemu-microvm",
        "vm",
    ];
    let all: Vec<String> =
        isolde_backends::all().iter().map(|backend| backend.name().to_string()).collect();
    assert_eq!(all, tested);
}
