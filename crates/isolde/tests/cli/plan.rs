//! Plan files: what `plan` prints, `run` takes, and flags go before.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::rig::{Ran, finish, folder, isolde, ready, run, trials};

const SHORT: [&str; 8] = ["--launches", "4", "--inferences", "2", "--warm-up", "1", "--seed", "7"];

fn printed(folder: &TempDir, arguments: &[&str]) -> PathBuf {
    let plan = run(&[&["plan"], arguments].concat()).expect(0, &["seed = 7"]);
    let path = folder.path().join("plan.toml");
    fs::write(&path, &plan.stdout).unwrap();
    path
}

fn run_into(bundle: &Path, arguments: &[&str]) -> Ran {
    let out = bundle.display().to_string();
    run(&[&["run", "--quiet", "--out", &out], arguments].concat())
}

/// Which environment each trial was of.
fn order(bundle: &Path) -> Vec<String> {
    let name =
        |trial: &serde_json::Value| trial["trial"]["environment"].as_str().unwrap().to_owned();
    trials(bundle).iter().map(name).collect()
}

#[test]
fn a_plan_determines_the_run() {
    if !ready(&["process", "container"]) {
        return;
    }
    let folder = folder();
    let arguments = [&["--on", "process,container"], &SHORT[..]].concat();
    let plan = printed(&folder, &arguments).display().to_string();
    let [direct, from_plan, changed] = ["a", "b", "c"].map(|name| folder.path().join(name));
    run_into(&direct, &arguments).expect(0, &[]);
    run_into(&from_plan, &[&plan]).expect(0, &[]);
    run_into(&changed, &[&plan, "--launches", "1", "--on", "process"]).expect(0, &[]);
    assert_eq!(order(&direct).len(), 8);
    assert_eq!(order(&direct), order(&from_plan));
    assert_eq!(order(&changed), ["process"]);
    let again = |bundle: &Path| fs::read_to_string(bundle.join("plan.toml")).unwrap();
    assert_eq!(again(&direct), again(&from_plan));
}

#[test]
fn a_plan_that_is_wrong_is_refused_with_the_place() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let path = printed(&folder, &[&["--on", "process"], &SHORT[..]].concat());
    let sound = fs::read_to_string(&path).unwrap();
    let cases: [(&str, &str, &[&str]); 6] = [
        ("seed = 7", "seed = 7\nsede = 8", &["sede"]),
        ("seed = 7", "seed = \"seven\"", &["seven"]),
        ("seed = 7", "", &["seed"]),
        ("schema = 1", "schema = 99", &["99", "schema"]),
        ("launches = 4", "launches = 0", &["launches is 0"]),
        ("memory = \"512M\"", "memory = \"1M\"", &["too little"]),
    ];
    for (from, to, words) in cases {
        assert!(sound.contains(from), "{sound}");
        fs::write(&path, sound.replace(from, to)).unwrap();
        run(&["run", &path.display().to_string()]).expect(2, words);
    }
}

#[test]
fn a_plan_of_another_host_runs_as_far_as_it_can() {
    if !ready(&["process", "docker"]) {
        return;
    }
    let folder = folder();
    let path = printed(&folder, &[&["--on", "process,docker"], &SHORT[..]].concat());
    let out = folder.path().join("b");
    let mut command = isolde(&["run", "--quiet"]);
    command.arg(&path).arg("--out").arg(&out).env("DOCKER_HOST", "unix:///nonexistent");
    finish(&mut command).expect(0, &["Could not run here", "systemctl start docker"]);
    assert_eq!(order(&out), ["process"; 4]);
    let mut command = isolde(&["run", "--on", "docker"]);
    command.arg(&path).env("DOCKER_HOST", "unix:///nonexistent");
    finish(&mut command).expect(3, &["no environment can run", "systemctl start docker"]);
}
