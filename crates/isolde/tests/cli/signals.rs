//! Being stopped: cleanly, with everything kept that was measured.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;

use rustix::process::{Signal, kill_process_group};

use crate::host::hanging_qemu;
use crate::rig::{
    BUSYBOX, Running, finish, folder, isolde, left_by, path_with, ready, run, state, trials,
};

/// An experiment without end that has done at least two trials.
fn long_run(bundle: &Path, on: &str) -> Running {
    let out = bundle.display().to_string();
    let line = ["run", "--on", on, "--launches", "100000", "--inferences", "2", "--out", &out];
    // A group of its own, as a shell gives it.
    let mut running = Running::start(isolde(&line).process_group(0));
    let second = bundle.join("trials/00001");
    running.wait_until(|| second.exists());
    running
}

fn expect_kept(bundle: &Path) {
    assert_eq!(state(bundle), "interrupted");
    let trials = trials(bundle);
    assert!(trials.len() >= 2);
    for trial in trials {
        assert_eq!(trial["outcome"]["result"], "completed", "{trial}");
    }
}

#[test]
fn a_run_that_is_stopped_keeps_what_was_measured() {
    if !ready(&["process"]) {
        return;
    }
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let folder = folder();
        let bundle = folder.path().join("b");
        let running = long_run(&bundle, "process");
        running.signal(signal);
        running.end().expect(130, &["stopping", "interrupted;", "Bundle:"]);
        expect_kept(&bundle);
        run(&["report", &bundle.display().to_string()]).expect(0, &["interrupted;"]);
    }
}

#[test]
fn ctrl_c_in_a_terminal_reaches_this_program_alone() {
    for on in ["container", "docker", "vm"] {
        if !ready(&["process", on]) {
            continue;
        }
        let folder = folder();
        let bundle = folder.path().join("b");
        let running = long_run(&bundle, &format!("process,{on}"));
        kill_process_group(running.pid(), Signal::INT).unwrap();
        running.end().expect(130, &["Bundle:"]);
        expect_kept(&bundle);
    }
}

#[test]
fn a_command_is_stopped_in_every_environment() {
    for on in ["process", "container", "docker", "vm"] {
        if !ready(&[on]) {
            continue;
        }
        let script = "echo up; busybox sleep 1000 & wait";
        let line = ["exec", "--on", on, "--", BUSYBOX, "sh", "-c", script];
        let mut running = Running::start(isolde(&line).process_group(0));
        assert_eq!(running.first_line(), "up\n");
        kill_process_group(running.pid(), Signal::INT).unwrap();
        running.end().expect(130, &["interrupted"]);
    }
}

#[test]
fn a_start_that_hangs_is_stopped() {
    if !ready(&["vm"]) {
        return;
    }
    let folder = folder();
    let started = folder.path().join("started");
    hanging_qemu(folder.path());
    let mut command = isolde(&["exec", "--on", "vm", "--", BUSYBOX, "true"]);
    command.env("PATH", path_with(folder.path())).env("STARTED", &started);
    let mut running = Running::start(&mut command);
    running.wait_until(|| started.exists());
    running.signal(Signal::INT);
    running.end().expect(130, &["interrupted"]);
}

#[test]
fn preparing_is_stopped_before_the_first_trial() {
    if !ready(&["process", "vm"]) {
        return;
    }
    let folder = folder();
    let trees = folder.path().join("isolde/trees");
    let bundle = folder.path().join("b");
    let out = bundle.display().to_string();
    let mut command = isolde(&["run", "--on", "process,vm", "--out", &out]);
    command.env("XDG_CACHE_HOME", folder.path()).process_group(0);
    let mut running = Running::start(&mut command);
    running.wait_until(|| fs::read_dir(&trees).is_ok_and(|mut entries| entries.next().is_some()));
    kill_process_group(running.pid(), Signal::INT).unwrap();
    running.end().expect(130, &["interrupted before the first trial"]);
    assert!(!bundle.exists());
    let half_made = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    for kind in ["trees", "ext4", "initramfs"] {
        let entries = fs::read_dir(folder.path().join("isolde").join(kind)).unwrap();
        assert!(!entries.flatten().any(half_made), "{kind}");
    }
}

#[test]
fn what_a_killed_run_left_is_cleaned() {
    for on in ["process", "container", "docker"] {
        if !ready(&[on]) {
            continue;
        }
        let folder = folder();
        let bundle = folder.path().join("b");
        let running = long_run(&bundle, on);
        running.signal(Signal::KILL);
        let killed = running.end();
        assert_eq!(killed.code, 137);
        assert_eq!(state(&bundle), "open");
        run(&["report", &bundle.display().to_string()]).expect(0, &["not ended"]);
        // Another test's cleaning may have been faster.
        finish(&mut isolde(&["clean"])).expect(0, &[]);
        assert_eq!(left_by(killed.pid), Vec::<String>::new());
    }
}
