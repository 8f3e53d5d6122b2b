//! `isolde exec`: a command's output and status come through, and nothing else.

use std::fs::File;
use std::os::unix::fs::symlink;

use crate::rig::{BUSYBOX, Running, finish, folder, isolde, path_with, ready, run, script};

fn busybox<'a>(on: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["exec", "--on", on, "--", BUSYBOX], arguments].concat()
}

#[test]
fn status_and_signal_come_through() {
    if !ready(&["process"]) {
        return;
    }
    for (script, code) in [("exit 0", 0), ("exit 77", 77), ("kill -TERM $$", 143)] {
        run(&busybox("process", &["sh", "-c", script])).expect(code, &[]);
    }
}

#[test]
fn arguments_and_bytes_are_not_changed() {
    if !ready(&["process"]) {
        return;
    }
    let words = ["printf", "[%s]", "a b", "", "x\ny", "ünï✓", "-n", "$HOME"];
    let ran = run(&busybox("process", &words)).expect(0, &[]);
    assert_eq!(ran.out(), "[a b][][x\ny][ünï✓][-n][$HOME]");
    let ran = run(&busybox("process", &["printf", "\\000\\377\\033[2J"])).expect(0, &[]);
    assert_eq!(ran.stdout, b"\0\xff\x1b[2J");
    assert_eq!(ran.stderr, "");
}

#[test]
fn standard_input_is_empty() {
    if !ready(&["process"]) {
        return;
    }
    let mut command = isolde(&busybox("process", &["cat"]));
    let ran = finish(command.stdin(File::open("/dev/zero").unwrap())).expect(0, &[]);
    assert!(ran.stdout.is_empty());
}

#[test]
fn a_link_in_the_path_goes_by_its_own_name() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    symlink(BUSYBOX, folder.path().join("echo")).unwrap();
    let mut command = isolde(&["exec", "--on", "process", "--", "echo", "called"]);
    let ran = finish(command.env("PATH", path_with(folder.path()))).expect(0, &[]);
    assert_eq!(ran.out(), "called\n");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    if !ready(&["process"]) {
        return;
    }
    let mut running = Running::start(&mut isolde(&busybox("process", &["yes"])));
    assert_eq!(running.first_line(), "y\n");
    running.close_output();
    let ran = running.end().expect(141, &[]);
    assert_eq!(ran.stderr, "");
}

#[test]
fn output_that_cannot_be_written_is_told() {
    if !ready(&["process"]) {
        return;
    }
    let mut command = isolde(&busybox("process", &["echo", "hi"]));
    let full = File::options().write(true).open("/dev/full").unwrap();
    finish(command.stdout(full)).expect(74, &["cannot be passed on", "No space left"]);
}

#[test]
fn a_missing_environment_keeps_none_of_the_others() {
    if !ready(&["process"]) {
        return;
    }
    let mut command = isolde(&busybox("docker,process", &["echo", "hi"]));
    let ran = finish(command.env("DOCKER_HOST", "unix:///nonexistent"))
        .expect(0, &["docker cannot run", "/nonexistent", "systemctl start docker"]);
    assert_eq!(ran.out(), "hi\n");
    let mut command = isolde(&busybox("docker", &["echo", "hi"]));
    finish(command.env("DOCKER_HOST", "unix:///nonexistent"))
        .expect(3, &["docker cannot run", "systemctl start docker"]);
}

#[test]
fn a_failing_environment_keeps_none_of_the_others() {
    if !ready(&["process", "vm"]) {
        return;
    }
    let folder = folder();
    script(folder.path(), "qemu-system-x86_64", crate::host::DYING_QEMU);
    script(folder.path(), "qemu-system-aarch64", crate::host::DYING_QEMU);
    let mut command = isolde(&busybox("vm,process", &["echo", "hi"]));
    let ran = finish(command.env("PATH", path_with(folder.path())))
        .expect(4, &["── vm", "no such moon", "── process"]);
    assert_eq!(ran.out(), "hi\n");
}

#[test]
fn a_command_that_takes_too_long_is_ended() {
    if !ready(&["process"]) {
        return;
    }
    run(&["exec", "--on", "process", "--timeout", "300ms", "--", BUSYBOX, "sleep", "1000"])
        .expect(4, &["timed out", "300ms", "--timeout"]);
}

#[test]
fn a_guest_with_too_little_memory_says_so() {
    if !ready(&["vm"]) {
        return;
    }
    run(&["exec", "--on", "vm", "--memory", "16M", "--", BUSYBOX, "true"])
        .expect(4, &["`vm`", "give more with --memory"]);
}

#[test]
fn every_environment_says_the_same() {
    for on in ["container", "docker", "vm"] {
        if ready(&[on]) {
            let ran = run(&busybox(on, &["sh", "-c", "echo out; echo err >&2; exit 9"]));
            let ran = ran.expect(9, &[]);
            assert_eq!((ran.out().as_str(), ran.stderr.as_str()), ("out\n", "err\n"));
        }
    }
}
