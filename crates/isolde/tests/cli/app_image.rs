//! `app image`: ONNX Runtime beside the embedded engine.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::rig::{
    Running, finish, folder, has, is_root, isolde, needs, path_with, ready, run, script, trials,
};

/// Whether `ISOLDE_REQUIRE` says that the image must be made here.
fn required() -> bool {
    let required = std::env::var("ISOLDE_REQUIRE").unwrap_or_default();
    required.split(',').any(|name| name == "onnxruntime")
}

/// Makes the image from the real sources, if they are to be reached from here.
fn made(arguments: &[&str]) -> bool {
    let ran = run(&[&["app", "image", "--quiet", "--format", "json"], arguments].concat());
    if ran.code == 3 && ran.stderr.contains("to be reached from here?") && !required() {
        return needs(false, &ran.stderr);
    }
    let made = ran.expect(0, &[]).json();
    let agreement = &made["agreement"];
    assert_eq!((&agreement["agrees"], &agreement["inputs"]), (&true.into(), &86.into()));
    assert!(agreement["largest_difference"].as_f64().unwrap() < 1e-3, "{agreement}");
    assert_eq!(made["image"]["layers"].as_array().unwrap().len(), 2);
    true
}

#[test]
fn onnx_runtime_agrees_and_runs_as_any_image() {
    if !ready(&["process"]) || !is_root() || !(required() || has("mmdebstrap") && has("pip3")) {
        return;
    }
    if !made(&["road-sign"]) || !made(&["--name", "team/signs:1"]) {
        return;
    }
    let folder = folder();
    let bundle = folder.path().join("b");
    let on = if ready(&["container"]) { "process,container" } else { "process" };
    let image = ["--image", "isolde/road-sign:onnxruntime"];
    let how = ["--inferences", "20", "--launches", "1", "--quiet", "--out"];
    let words = [&["run", "--on", on][..], &image, &how, &[bundle.to_str().unwrap()]].concat();
    run(&words).expect(0, &["road-sign-onnxruntime", "identical, to the last digit"]);
    for trial in trials(&bundle) {
        assert_eq!(trial["outcome"]["result"], "completed", "{trial}");
        assert_eq!(trial["program"]["inferences"], 21, "{trial}");
    }
}

/// A host whose tools are these scripts, with a cache of its own.
struct Host(TempDir);

impl Host {
    fn with(mmdebstrap: &str, pip: &str) -> Self {
        let host = Self(folder());
        for (name, text) in [("mmdebstrap", mmdebstrap), ("pip3", pip)] {
            script(host.0.path(), name, &format!("#!/bin/sh\n{text}\n"));
        }
        host
    }

    fn command(&self) -> Command {
        let mut command = isolde(&["app", "image", "--on", "process"]);
        command.env("PATH", path_with(self.0.path())).env("XDG_CACHE_HOME", self.cache());
        command
    }

    fn cache(&self) -> std::path::PathBuf {
        self.0.path().join("cache")
    }

    /// What is in the cache of images and their layers.
    fn kept(&self) -> usize {
        let count = |kind: &str| {
            fs::read_dir(self.cache().join("isolde").join(kind)).map_or(0, Iterator::count)
        };
        count("images") + count("layers")
    }
}

/// Makes the folder that mmdebstrap is asked for, by its last argument.
const MAKES_ROOT: &str = "for root; do :; done; mkdir -p \"$root/usr/lib\"";

#[test]
fn what_fails_on_the_way_is_told_and_leaves_nothing() {
    if !ready(&["process"]) || !is_root() {
        return;
    }
    let unresolved = "echo 'E: Failed to fetch http://x  Temporary failure resolving'; exit 1";
    let no_wheel = "echo 'ERROR: No matching distribution found for onnxruntime'; exit 1";
    let full = "echo 'tar: x: Cannot write: No space left on device'; echo 'E: failed'; exit 1";
    for (mmdebstrap, pip, words) in [
        (full, "exit 1", &["No space left on device", "set TMPDIR"][..]),
        (unresolved, "exit 1", &["Temporary failure resolving", "to be reached from here?"]),
        (MAKES_ROOT, no_wheel, &["No matching distribution", "Python 3.11", "PIP_INDEX_URL"]),
        // Nothing to compile with: the root is empty.
        (MAKES_ROOT, "exit 0", &["chroot failed"]),
    ] {
        let host = Host::with(mmdebstrap, pip);
        finish(&mut host.command()).expect(3, words);
        assert_eq!(host.kept(), 0, "{words:?}");
    }
    let host = Host::with("exit 0", "exit 0");
    fs::remove_file(host.0.path().join("pip3")).unwrap();
    let mut command = host.command();
    command.env("PATH", host.0.path());
    finish(&mut command).expect(3, &["pip3 is not installed", "apt-get install --yes python3-pip"]);
}

#[test]
fn a_signal_ends_the_tools_and_leaves_nothing() {
    if !ready(&["process"]) || !is_root() {
        return;
    }
    let host = Host::with("sleep 600 & echo $! > \"$0.pid\"; wait", "exit 0");
    let noted = host.0.path().join("mmdebstrap.pid");
    let mut running = Running::start(&mut host.command());
    running.wait_until(|| fs::read_to_string(&noted).is_ok_and(|pid| pid.ends_with('\n')));
    running.signal(Signal::INT);
    running.end().expect(130, &["interrupted"]);
    let sleeper = fs::read_to_string(&noted).unwrap();
    let state = fs::read_to_string(Path::new("/proc").join(sleeper.trim()).join("stat"));
    assert!(state.is_err() || state.unwrap().contains(") Z "), "it still runs");
    assert_eq!(host.kept(), 0);
}

#[test]
fn a_temporary_folder_without_room_is_told() {
    if !ready(&["process"]) || !is_root() || !has("unshare") {
        return;
    }
    let host = Host::with("exit 0", "exit 0");
    let small = host.0.path().join("small");
    fs::create_dir(&small).unwrap();
    let mut command = Command::new("unshare");
    command
        .args([
            "-m",
            "sh",
            "-c",
            "mount -t tmpfs -o size=8M none \"$TMPDIR\" && exec \"$0\" app image",
        ])
        .arg(env!("CARGO_BIN_EXE_isolde"))
        .env("PATH", path_with(host.0.path()))
        .env("XDG_CACHE_HOME", host.cache())
        .env("TMPDIR", &small)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    finish(&mut command).expect(3, &["8 MiB are free", "set TMPDIR"]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (words, said) in [
        (&["cat"][..], &["unknown application `cat`", "road-sign"][..]),
        (&["road-sign:huge"], &["unknown size `huge`", "road-sign:reference"]),
        (&["--engine", "other"], &["'other'", "onnxruntime"]),
        (&["--name", "Bad"], &["`Bad`", "lower-case"]),
        (&["driving-scenario:reference"], &["several networks"]),
        (&["driving-scenario"], &["several networks", "images of object-detection"]),
        (
            &["road-sign:reference", "--networks", "/none"],
            &["/none/road-sign.onnx", "No such file"],
        ),
        (&["--on", "nowhere"], &["unknown environment `nowhere`", "process"]),
    ] {
        run(&[&["app", "image"], words].concat()).expect(2, said);
    }
}
