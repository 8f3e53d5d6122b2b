//! Hosts on which something is missing, breaks or is full.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rig::{
    BUSYBOX, Running, finish, folder, is_root, isolde, left_by, path_with, ready, run, script,
    state, trials,
};

/// A QEMU that says its version and then dies.
pub(crate) const DYING_QEMU: &str = "#!/bin/sh
case \"$*\" in *--version*) echo 'QEMU emulator version 9.9.9'; exit 0 ;; esac
echo 'qemu: no such moon' >&2
exit 1
";
/// One that says its version and then hangs.
const HANGING_QEMU: &str = "#!/bin/sh
case \"$*\" in *--version*) echo 'QEMU emulator version 9.9.9'; exit 0 ;; esac
: > \"$STARTED\"
exec sleep 1000
";

/// Puts a QEMU that hangs into `folder`. It makes the file `$STARTED` before.
pub(crate) fn hanging_qemu(folder: &Path) {
    script(folder, "qemu-system-x86_64", HANGING_QEMU);
    script(folder, "qemu-system-aarch64", HANGING_QEMU);
}

fn outcomes(bundle: &Path, environment: &str) -> Vec<Value> {
    let mut trials = trials(bundle);
    trials.retain(|trial| trial["trial"]["environment"] == environment);
    trials.into_iter().map(|trial| trial["outcome"].clone()).collect()
}

const SHORT: [&str; 7] = ["run", "--launches", "5", "--inferences", "2", "--warm-up", "1"];

#[test]
fn docker_that_is_down_is_one_row() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let mut command = isolde(&SHORT);
    command.args(["--on", "process,docker", "--out"]).arg(folder.path().join("b"));
    finish(command.env("DOCKER_HOST", "unix:///nonexistent"))
        .expect(0, &["Could not run here", "no socket /nonexistent", "systemctl start docker"]);
}

#[test]
fn a_qemu_that_dies_is_given_up_and_the_others_are_kept() {
    if !ready(&["process", "vm"]) {
        return;
    }
    let folder = folder();
    let bundle = folder.path().join("b");
    script(folder.path(), "qemu-system-x86_64", DYING_QEMU);
    script(folder.path(), "qemu-system-aarch64", DYING_QEMU);
    let mut command = isolde(&SHORT);
    command.args(["--on", "process,vm", "--out"]).arg(&bundle);
    finish(command.env("PATH", path_with(folder.path())))
        .expect(4, &["qemu: no such moon", "given up after 3 failures"]);
    assert_eq!(state(&bundle), "complete");
    let died = outcomes(&bundle, "vm");
    assert_eq!(died.len(), 3);
    assert!(died.iter().all(|outcome| outcome["reason"].as_str().unwrap().contains("moon")));
    let kept = outcomes(&bundle, "process");
    assert_eq!(kept.len(), 5);
    assert!(kept.iter().all(|outcome| outcome["result"] == "completed"));
}

#[test]
fn an_agent_that_never_answers_is_waited_for_as_long_as_the_plan_says() {
    if !ready(&["process", "vm"]) {
        return;
    }
    let folder = folder();
    let (plan, bundle) = (folder.path().join("plan.toml"), folder.path().join("b"));
    let printed = run(&["plan", "--on", "process,vm", "--launches", "1", "--inferences", "2"]);
    let printed = printed.expect(0, &["start = \"1m\""]).out();
    fs::write(&plan, printed.replace("start = \"1m\"", "start = \"300ms\"")).unwrap();
    hanging_qemu(folder.path());
    let mut command = isolde(&["run"]);
    command.arg(&plan).arg("--out").arg(&bundle).env("STARTED", folder.path().join("started"));
    finish(command.env("PATH", path_with(folder.path())))
        .expect(4, &["timed out", "deadlines.start"]);
    assert_eq!(outcomes(&bundle, "vm")[0]["kind"], "timed_out");
    // A machine that boots, but not within this time.
    let bundle = folder.path().join("c");
    let mut command = isolde(&["run", "--on", "vm", "--memory", "256M"]);
    finish(command.arg(&plan).arg("--out").arg(&bundle))
        .expect(4, &["timed out", "300ms", "deadlines.start"]);
}

#[test]
fn a_full_disk_keeps_what_was_written() {
    if !ready(&["process"]) || !is_root() {
        return;
    }
    let folder = folder();
    let mount = |arguments: &[&str]| {
        Command::new("mount").args(arguments).arg(folder.path()).status().unwrap().success()
    };
    assert!(mount(&["-t", "tmpfs", "-o", "size=200k", "none"]));
    let bundle = folder.path().join("b");
    let mut command = isolde(&["run", "--on", "process", "--launches", "200", "--inferences", "2"]);
    let ran = finish(command.arg("--out").arg(&bundle));
    let (state, trials) = (state(&bundle), trials(&bundle));
    let report = run(&["report", &bundle.display().to_string()]);
    assert!(Command::new("umount").arg(folder.path()).status().unwrap().success());
    ran.expect(74, &["what was measured before is in", "no space left", "--out"]);
    report.expect(0, &["not ended"]);
    assert_eq!(state, "open");
    assert!(!trials.is_empty());
    assert!(trials.iter().all(|trial| trial["outcome"]["result"] == "completed"));
}

#[test]
fn a_working_folder_that_cannot_be_written() {
    if !ready(&["process"]) {
        return;
    }
    let mut command = isolde(&SHORT);
    // Not even root makes folders there.
    finish(command.args(["--on", "process"]).current_dir("/proc/self"))
        .expect(2, &["cannot make isolde-results", "--out"]);
}

#[test]
fn a_cache_that_cannot_be_made() {
    for arguments in [&["environments"][..], &["run"], &["exec", "--on", "process", "--", BUSYBOX]]
    {
        let mut command = isolde(arguments);
        finish(command.env("XDG_CACHE_HOME", "/proc/cache"))
            .expect(3, &["the cache cannot be opened", "/proc/cache", "set XDG_CACHE_HOME"]);
        let mut command = isolde(arguments);
        command.env_remove("XDG_CACHE_HOME").env("HOME", "").current_dir("/proc");
        finish(&mut command).expect(3, &["neither XDG_CACHE_HOME nor HOME", "set XDG_CACHE_HOME"]);
    }
}

#[test]
fn a_damaged_cache_is_made_again() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let line =
        ["exec", "--on", "process,container,docker,vm", "--quiet", "--", BUSYBOX, "echo", "hi"];
    let once = || finish(isolde(&line).env("XDG_CACHE_HOME", folder.path()));
    let sound = once().expect(0, &["hi"]).out();
    let cache = folder.path().join("isolde");
    for kind in ["trees", "ext4", "tar", "initramfs"] {
        for entry in fs::read_dir(cache.join(kind)).unwrap().flatten() {
            let path = entry.path();
            let file = if path.is_dir() { path.join("isolde") } else { path };
            fs::File::options().write(true).open(file).unwrap().set_len(1000).unwrap();
        }
    }
    assert_eq!(once().expect(0, &["was changed"]).out(), sound);
    let mut command = isolde(&["clean", "--cache"]);
    finish(command.env("XDG_CACHE_HOME", folder.path())).expect(0, &["MiB of cache"]);
    assert_eq!(fs::read_dir(cache.join("trees")).unwrap().count(), 0);
    assert_eq!(once().expect(0, &[]).out(), sound);
}

#[test]
fn somebody_without_rights_is_told_what_to_do() {
    if !is_root() {
        return;
    }
    // Where nobody may look, and with a cache of nobody's own.
    let folder = folder();
    let nobody = 65534;
    let own = |path: &Path| std::os::unix::fs::chown(path, Some(nobody), Some(nobody)).unwrap();
    let program = folder.path().join("isolde-of-nobody");
    fs::copy(env!("CARGO_BIN_EXE_isolde"), &program).unwrap();
    own(&program);
    own(folder.path());
    let run_as_nobody = |home: &Path, arguments: &[&str]| {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(&program);
        command.args(arguments).env_remove("XDG_CACHE_HOME").env("HOME", home);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.uid(nobody).gid(nobody);
        finish(&mut command)
    };
    let words = ["process:", "container:", "permission", "sudo"];
    run_as_nobody(folder.path(), &["run"]).expect(3, &words);
    run_as_nobody(folder.path(), &["exec", "--on", "process", "--", BUSYBOX, "true"])
        .expect(3, &["process cannot run", "no permission", "sudo"]);
    run_as_nobody(folder.path(), &["doctor"]).expect(3, &["process", "missing", "sudo"]);
    run_as_nobody(folder.path(), &["environments"]).expect(0, &["missing"]);
    run_as_nobody(Path::new("/nonexistent"), &["run"]).expect(3, &["set XDG_CACHE_HOME"]);
}

#[test]
fn two_at_once_do_not_meet() {
    if !ready(&["process", "container", "docker"]) {
        return;
    }
    let folder = folder();
    let start = |name: &str| {
        let mut command = isolde(&SHORT);
        command.args(["--on", "process,container,docker", "--out"]).arg(folder.path().join(name));
        Running::start(&mut command)
    };
    let (first, second) = (start("a"), start("b"));
    let (first, second) = (first.end().expect(0, &[]), second.end().expect(0, &[]));
    assert_eq!(left_by(first.pid).len() + left_by(second.pid).len(), 0);
}
