//! Programs of the user's: the examples, plans that hold them, and their signs
//! of readiness.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::rig::{BUSYBOX, Ran, finish, folder, has, isolde, ready, run, script, trials};

/// The repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs a program into the bundle `b` of `folder`.
fn measured(folder: &Path, arguments: &[&str]) -> Ran {
    let out = folder.join("b").display().to_string();
    run(&[&["run", "--quiet", "--out", &out], arguments].concat())
}

/// A fact of each completed trial's program.
fn facts(folder: &Path, name: &str) -> Vec<Value> {
    let trials = trials(&folder.join("b"));
    assert!(!trials.is_empty());
    for trial in &trials {
        assert_eq!(trial["outcome"]["result"], "completed", "{trial}");
    }
    trials.iter().map(|trial| trial["program"][name].clone()).collect()
}

/// The environments that can run here, without those that are slow.
fn environments() -> String {
    let ready: Vec<&str> =
        ["process", "container", "docker"].into_iter().filter(|name| ready(&[name])).collect();
    ready.join(",")
}

#[test]
fn the_shell_example() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let words = repository().join("examples/shell/words.sh").display().to_string();
    let on = environments();
    let line = ["--on", &on, "--launches", "2", "--bring", &words, "--", BUSYBOX, "sh", "words.sh"];
    measured(folder.path(), &line).expect(
        0,
        &[
            "busybox: inference time",
            "as many inferences as the program does",
            "timed by the agent, from one line's arrival to the next's",
            "request to its sign of readiness",
            "outputs that it tells identical, to the last digit",
        ],
    );
    assert!(facts(folder.path(), "inferences").iter().all(|count| *count == 21));
    assert!(facts(folder.path(), "timing").iter().all(|timing| *timing == "agent"));
}

#[test]
fn the_rust_example() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example-rust");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--offline", "--target", "host-tuple", "--target-dir"]);
    build.arg(&target).current_dir(repository().join("examples/rust"));
    // What cargo tells a test is not meant for another crate's build.
    build.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTFLAGS");
    assert!(build.status().unwrap().success());
    let built =
        fs::read_dir(&target).unwrap().flatten().map(|entry| entry.path().join("debug/dot"));
    let program = built.filter(|path| path.is_file()).last().unwrap().display().to_string();
    let on = environments();
    let line = ["--on", &on, "--launches", "2", "--inferences", "5", "--", &program];
    measured(folder.path(), &line).expect(0, &["dot: inference time", "× 5 inferences"]);
    assert!(facts(folder.path(), "inferences").iter().all(|count| *count == 6));
    assert!(facts(folder.path(), "timing").iter().all(|timing| *timing == "program"));
}

/// A root file system with Python 3, made once; `None`, with the reason, where
/// it cannot be made.
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn python_root() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-rootfs");
    if root.join("usr/bin/python3").exists() {
        return Some(root);
    }
    if !has("mmdebstrap") {
        return None;
    }
    let half = root.with_extension(format!("half-{}", std::process::id()));
    let mut make = Command::new("mmdebstrap");
    // Unpacked, not configured: Python runs as it comes, and no more is needed.
    make.args(["--quiet", "--variant=extract", "--include=python3-minimal,libpython3-stdlib"]);
    make.args(["--format=directory", "bookworm"]).arg(&half);
    let made = make.output().unwrap();
    if !made.status.success() || fs::rename(&half, &root).is_err() {
        let _ = fs::remove_dir_all(&half);
        eprintln!("skipped: mmdebstrap: {}", String::from_utf8_lossy(&made.stderr));
        return None;
    }
    Some(root)
}

#[test]
fn the_python_example() {
    if !ready(&["process"]) {
        return;
    }
    let Some(root) = python_root() else { return };
    let folder = folder();
    let image = format!("dir:{}", root.display());
    let program = repository().join("examples/python/classify.py").display().to_string();
    let on = environments();
    let line = [
        &["--on", &on, "--launches", "2", "--inferences", "10", "--image", &image],
        &["--bring", &program, "--", "python3", "/classify.py"][..],
    ];
    measured(folder.path(), &line.concat())
        .expect(0, &["python-rootfs: inference time", "outputs that it tells identical"]);
    assert!(facts(folder.path(), "inferences").iter().all(|count| *count == 11));
}

#[test]
fn a_plan_holds_a_program_and_its_files() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let plan = folder.path().join("plan.toml");
    script(folder.path(), "own.sh", "echo '{\"inference_ns\": 7, \"output\": 1}'\n");
    let file = format!("{}:/deep/own.sh", folder.path().join("own.sh").display());
    let line = [
        &["plan", "--on", "process", "--launches", "1", "--name", "my-own", "--bring", &file][..],
        &["--timeout", "7s", "--", BUSYBOX, "sh", "deep/own.sh"],
    ];
    let printed = run(&line.concat()).expect(0, &["[sources.my-own]", "/deep/own.sh", "7s"]);
    fs::write(&plan, &printed.stdout).unwrap();
    let plan = plan.display().to_string();
    measured(folder.path(), &[&plan]).expect(0, &["my-own: inference time", "so all of a launch"]);
    assert_eq!(facts(folder.path(), "short"), [true]);
    fs::remove_file(folder.path().join("own.sh")).unwrap();
    run(&["run", &plan]).expect(2, &["own.sh cannot be read", "No such file"]);
}

#[test]
fn a_program_that_tells_nothing_is_timed_as_a_whole() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let line = ["--on", "process", "--launches", "3", "--", BUSYBOX, "usleep", "20000"];
    let words = [
        "busybox: time of the whole program",
        "timed as a whole, from start to exit: it told no inference",
        "outputs not compared: the program tells none",
    ];
    measured(folder.path(), &line).expect(0, &words);
    let json = run(&["report", &folder.path().join("b").display().to_string(), "--format", "json"]);
    let median = json.expect(0, &[]).json()["rows"][0]["inference"]["median_ns"]["value"].clone();
    assert!(median.as_f64().unwrap() >= 20e6, "{median}");
}

#[test]
fn a_server_is_ended_once_it_is_ready() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    fs::write(folder.path().join("health"), "ok").unwrap();
    let health = format!("{}:/www/", folder.path().join("health").display());
    let serve = format!("exec httpd -f -p {port} -h www");
    let sign = format!("http:{port}/health");
    let line = |sign: &str| {
        let flags = ["--on", "process", "--launches", "2", "--ready", sign, "--timeout", "20s"];
        let out = folder.path().join("b").display().to_string();
        let mut command = isolde(&["run", "--quiet", "--out", &out]);
        command.args(flags).args(["--bring", &health, "--", BUSYBOX, "sh", "-c", &serve]);
        finish(&mut command)
    };
    let ran = line(&sign).expect(0, &["only its cold start was looked at"]);
    assert!(!ran.out().contains("inference time"), "{}", ran.out());
    assert!(facts(folder.path(), "ended").iter().all(|ended| *ended == true));
    // Taken before it begins.
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    fs::remove_dir_all(folder.path().join("b")).unwrap();
    line(&format!("tcp:{port}")).expect(4, &["something listens at port"]);
}

#[test]
fn more_is_ended_after_what_was_asked_for() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let endless = "trap '' TERM; while :; do echo '{\"inference_ns\": 5}'; done";
    let line = ["--on", "process", "--launches", "1", "--inferences", "9", "--warm-up", "2"];
    measured(folder.path(), &[&line[..], &["--", BUSYBOX, "sh", "-c", endless]].concat())
        .expect(0, &["inference time"]);
    assert_eq!(facts(folder.path(), "inferences"), [11]);
    assert_eq!(facts(folder.path(), "ended"), [true]);
}

#[test]
fn a_bad_end_after_the_last_inference_counts() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    // It has ended by the time the agent looks.
    let text = "echo '{\"inference_ns\": 5}'; i=0; while [ $i -lt 9 ]; do
        echo '{\"inference_ns\": 5}'; i=$((i + 1)); done; exit 3";
    let line = ["--on", "process", "--launches", "1", "--inferences", "9", "--", BUSYBOX, "sh"];
    let ran = measured(folder.path(), &[&line[..], &["-c", text]].concat());
    let trial = trials(&folder.path().join("b")).remove(0);
    // Unless the agent was quicker: then it ended the program, and knows it.
    let ended = trial["program"]["ended"] == true;
    ran.expect(if ended { 0 } else { 4 }, if ended { &[] } else { &["exited with status 3"] });
}

#[test]
fn exec_says_what_it_cannot_find_as_a_shell_does() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    script(folder.path(), "bad", "#!/nowhere/sh\n");
    let bad = format!("{}:/bad", folder.path().join("bad").display());
    let line = |words: &[&str]| {
        let line = [&["exec", "--on", "process", "--bring", &bad, "--", BUSYBOX], words].concat();
        run(&line)
    };
    line(&["sh", "-c", "exec nothing"]).expect(127, &["nothing: not found"]);
    line(&["cat", "bad"]).expect(0, &["#!/nowhere/sh"]);
}
