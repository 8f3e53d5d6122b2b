//! Where output goes and what it looks like.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::rig::{finish, folder, has, isolde, needs, ready, run};

const PLAIN: [&[&str]; 6] = [
    &["environments"],
    &["doctor"],
    &["man"],
    &["completions", "bash"],
    &["clean"],
    &["run", "--help"],
];

#[test]
fn nothing_is_coloured_where_there_is_no_terminal() {
    for arguments in PLAIN {
        let ran = run(arguments);
        assert!(!ran.stdout.contains(&0x1b), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_told_and_a_closed_pipe_is_not() {
    for arguments in &PLAIN[..5] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        finish(isolde(arguments).stdout(full)).expect(74, &["cannot write", "No space left"]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        finish(isolde(arguments).stdout(writer)).expect(0, &[]);
    }
}

#[test]
fn json_is_all_there_is() {
    for arguments in [["environments", "--format", "json"], ["doctor", "--format", "json"]] {
        let json = run(&arguments).json();
        assert!(json["schema"].is_u64(), "{json}");
        let known = isolde_backends::all().len();
        assert_eq!(json["environments"].as_array().unwrap().len(), known);
    }
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let out = folder.path().join("b").display().to_string();
    let line = ["run", "--on", "process", "--launches", "2", "--inferences", "2", "--out", &out];
    let ran = run(&[&line[..], &["--quiet", "--format", "json"]].concat()).expect(0, &[]);
    assert_eq!(ran.stderr, "");
    let json = ran.json();
    assert!(json["schema"].is_u64(), "{json}");
    let again = run(&["report", &out, "--format", "json"]).expect(0, &[]).json();
    assert_eq!(again["rows"], json["rows"]);
}

#[test]
fn threads_are_swept_and_compared() {
    let cpus = std::thread::available_parallelism().unwrap().get();
    if !ready(&["process"]) || !needs(cpus >= 2, "two CPUs") {
        return;
    }
    let line = ["--threads", "1,2", "--app", "road-sign", "--on", "process", "--launches", "2"];
    run(&[&["plan"], &line[..]].concat())
        .expect(0, &["threads = [1, 2]", "4 trials in 2 blocks", "2 numbers of threads"]);
    let folder = folder();
    let out = folder.path().join("b").display().to_string();
    let line = [&["run", "--inferences", "5", "--out", &out], &line[..]].concat();
    let words = [
        "complete, 4 of 4 launches",
        "road-sign, 1 thread: inference time",
        "road-sign, 2 threads: inference time",
        "road-sign, 1 thread: from input to answer",
        "road-sign: median inference time by number of threads",
        "4/4  process, road-sign, ",
    ];
    run(&line).expect(0, &words);
    let json = run(&["report", &out, "--format", "json"]).expect(0, &[]).json();
    let rows = json["rows"].as_array().unwrap();
    let threads: Vec<_> = rows.iter().map(|row| row["threads"].as_u64().unwrap()).collect();
    assert_eq!(threads, [1, 2]);
    assert_eq!(rows[0]["speed_up"], 1.0);
    for row in rows {
        assert_eq!((&row["planned"], &row["completed"]), (&2.into(), &2.into()));
        let median = |figure: &serde_json::Value| figure["median_ns"]["value"].as_f64().unwrap();
        assert!(median(&row["phases"]["whole"]) > median(&row["inference"]), "{row}");
    }
}

#[test]
fn progress_goes_to_standard_error_unless_quiet() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    for (name, more, silent) in [("a", &[][..], false), ("b", &["--quiet"][..], true)] {
        let out = folder.path().join(name).display().to_string();
        let line =
            ["run", "--on", "process", "--launches", "1", "--inferences", "2", "--out", &out];
        let ran = run(&[&line[..], more].concat()).expect(0, &["road-sign", "Bundle:"]);
        assert_eq!(ran.stderr.is_empty(), silent, "{}", ran.stderr);
        assert!(!ran.out().contains("1/1  process"), "{}", ran.out());
    }
}

#[test]
fn shells_take_their_completions() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).expect(0, &["exec", "timeout"]);
        let path = folder.path().join(shell);
        std::fs::write(&path, &script.stdout).unwrap();
        if has(shell) {
            let checked = Command::new(shell).arg("-n").arg(&path).output().unwrap();
            assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
        }
    }
}

#[test]
fn the_manual_page_is_whole_and_sound() {
    let page = run(&["man"]).expect(0, &["ISOLDE RUN", "ISOLDE EXEC", "128 + N", "Exit codes"]);
    assert!(!page.out().contains("isolde-run(1)"), "it refers to pages that do not exist");
    if !has("groff") {
        return;
    }
    let folder = folder();
    let path = folder.path().join("isolde.1");
    std::fs::write(&path, &page.stdout).unwrap();
    let mut groff = Command::new("groff");
    groff.args(["-man", "-Tutf8", "-ww"]).arg(path).stdin(Stdio::null());
    let set = groff.output().unwrap();
    assert!(set.status.success() && set.stderr.is_empty(), "{set:?}");
}

#[test]
fn installing_asks_first() {
    let folder = folder();
    // Nothing is on this path, so something is missing that a package brings.
    let mut command = isolde(&["doctor", "--install"]);
    finish(command.env("PATH", folder.path())).expect(2, &["apt-get install", "--yes"]);
}
