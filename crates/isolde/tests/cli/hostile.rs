//! Programs that mean no good: each launch ends, with an outcome and a reason,
//! and leaves nothing.

use serde_json::Value;

use crate::rig::{BUSYBOX, folder, ready, run, script, trials};

/// A script and what must come of it: the kind of failure, or none, and words
/// of its reason.
type Case = (&'static str, Option<&'static str>, &'static str);

const CASES: [Case; 21] = [
    // Numbers that are none.
    (r#"echo '{"inference_ms": NaN}'"#, Some("application"), "line 1 of its standard output"),
    (r#"echo; echo '{"inference_ms": -3}'"#, Some("application"), "line 2"),
    (r#"echo '{"inference_ms": 1e300}'"#, Some("application"), "no duration"),
    (r#"echo '{"inference_ms": 600000}'"#, Some("application"), "has run for no more"),
    // Lines that are none.
    (
        r#"printf '{"inference_ns":1,"output":'; yes '[' | head -n 20000 | tr -d '\n'; echo"#,
        Some("application"),
        "recursion limit",
    ),
    (
        r#"printf '{"inference_ns":1,"output":"'; yes x | head -c 20000000 | tr -d '\n'; echo '"}'"#,
        Some("application"),
        "longer than 64 KiB",
    ),
    ("yes x | head -c 20000000 | tr -d '\\n'", None, ""),
    ("printf '\\0\\0\\n\\0{\\n\\377\\n'", None, ""),
    (r#"printf '{"inference_ns": 1}'"#, None, ""),
    (r#"echo '{"inference_ns": 1}'; printf '{"inference_ns": '"#, Some("application"), "line 2"),
    // Output that does not end, or ends early.
    ("yes", Some("timed_out"), "--timeout"),
    ("yes >&2", Some("timed_out"), "--timeout"),
    ("exec 1>&- 2>&-; sleep 0.1", None, ""),
    ("trap '' TERM INT; echo stuck >&2; sleep 1000; sleep 1000", Some("timed_out"), "stuck"),
    // Processes that stay.
    ("setsid sh -c 'sleep 1000 & sleep 1000' & echo gone", None, ""),
    ("i=0; while [ $i -lt 100 ]; do (sleep 1000 &); i=$((i+1)); done", None, ""),
    // Bad ends.
    ("echo why >&2; exit 3", Some("application"), "status 3: why"),
    ("kill -SEGV $$", Some("crashed"), "SIGSEGV"),
    ("kill -KILL $$", Some("crashed"), "SIGKILL"),
    (
        "for i in 1 2 3 4 5 6; do dd if=/dev/zero bs=40M count=1 | sleep 1 & done; wait",
        Some("out_of_memory"),
        "--memory",
    ),
    ("printf 'a\\033[2Jb' >&2; exit 1", Some("application"), "[2Jb"),
];

fn end_well(on: &'static str, timeout: &str, cases: &[Case]) {
    if !ready(&[on]) {
        return;
    }
    let folder = folder();
    for (number, (text, kind, words)) in cases.iter().enumerate() {
        script(folder.path(), "own.sh", text);
        let bring = folder.path().join("own.sh").display().to_string();
        let bundle = folder.path().join(number.to_string());
        let out = bundle.display().to_string();
        let line = [
            &["run", "--quiet", "--on", on, "--launches", "1", "--out", &out][..],
            &["--memory", "128M", "--timeout", timeout, "--bring", &bring],
            &["--", BUSYBOX, "sh", "own.sh"],
        ];
        let ran = run(&line.concat()).expect(if kind.is_some() { 4 } else { 0 }, &[]);
        assert!(!ran.stdout.contains(&0x1b), "{text}");
        let trial = trials(&bundle).remove(0);
        let outcome = &trial["outcome"];
        assert_eq!(outcome["kind"].as_str(), *kind, "{on}: {text}: {trial}");
        let reason = format!("{}; {}", outcome["reason"], outcome["hint"]);
        assert!(reason.contains(words), "{on}: {text}: {reason}");
        assert_eq!(trial["leaks"], Value::Array(Vec::new()), "{on}: {text}");
    }
}

#[test]
fn programs_in_a_process() {
    end_well("process", "3s", &CASES);
}

#[test]
fn programs_in_a_container() {
    end_well("container", "3s", &CASES);
}

#[test]
fn programs_in_a_machine() {
    // A few: each boots an emulated machine.
    let few: Vec<Case> = CASES.iter().filter(|case| case.2.contains("--memory")).copied().collect();
    end_well("vm", "60s", &few);
}
