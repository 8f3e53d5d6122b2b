//! A model of the user's: `run --model`, its plan files, and what is refused
//! before any sandbox is made.

use std::fs;
use std::path::{Path, PathBuf};

use crate::rig::{finish, folder, isolde, ready, run, trials};

const SHORT: [&str; 6] = ["--launches", "1", "--inferences", "9", "--warm-up", "1"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../isolde-apps/tests/fixtures")
}

fn model(name: &str) -> String {
    fixtures().join("models").join(name).display().to_string()
}

fn pictures() -> String {
    fixtures().join("pictures").display().to_string()
}

/// Runs a model into a bundle and gives how its outputs agreed.
fn agreements(environments: &str, arguments: &[&str]) -> Vec<serde_json::Value> {
    let (folder, input) = (folder(), pictures());
    let bundle = folder.path().join("bundle");
    let out = bundle.display().to_string();
    let all = [
        &["run", "--quiet", "--on", environments, "--out", &out, "--input", &input],
        arguments,
        &SHORT,
    ];
    run(&all.concat()).expect(0, &["complete"]);
    trials(&bundle).iter().map(|trial| trial["agreement"].clone()).collect()
}

#[test]
fn a_model_gives_the_same_in_processes_and_containers() {
    if !ready(&["process", "container"]) {
        return;
    }
    let plain = ["--model", &model("conv.onnx"), "--normalise", "imagenet"];
    // An output too long to be sent whole, and weights in a file of their own.
    let large = ["--model", &model("large_output.onnx"), "--scale", "1/255", "--mean", "-1,0,1"];
    let external = ["--model", &model("external.onnx"), "--normalise", "unit"];
    let bytes = ["--model", &model("nhwc_uint8.onnx")];
    for arguments in [&plain[..], &large, &external, &bytes] {
        let agreements = agreements("process,container", arguments);
        assert_eq!(agreements.len(), 2);
        for agreement in agreements {
            assert_eq!(agreement["identical"], true, "{arguments:?}");
        }
    }
}

#[test]
fn a_model_gives_the_same_where_it_is_copied_into_a_container_or_a_disk() {
    if !ready(&["docker", "vm"]) {
        return;
    }
    let arguments = ["--model", &model("external.onnx"), "--normalise", "unit"];
    for agreement in agreements("docker,vm", &arguments) {
        let difference = agreement["largest_difference"].as_f64().unwrap();
        assert!(difference <= agreement["tolerance"].as_f64().unwrap(), "{agreement}");
    }
}

#[test]
fn a_plan_keeps_the_model_and_notices_its_change() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let place = |name: &str| folder.path().join(name);
    fs::copy(model("dynamic_batch.onnx"), place("net.onnx")).unwrap();
    fs::create_dir(place("in")).unwrap();
    for name in ["colour.png", "grey.jpg"] {
        fs::copy(fixtures().join("pictures").join(name), place("in").join(name)).unwrap();
    }
    let mut plan = isolde(&["plan", "--on", "process", "--model", "net.onnx", "--input", "in"]);
    plan.args(SHORT).current_dir(folder.path());
    let plan = finish(&mut plan).expect(0, &["[sources.net]", "letterbox", "count = 2"]);
    fs::write(place("plan.toml"), &plan.stdout).unwrap();
    let file = place("plan.toml").display().to_string();
    let again = |name: &str| {
        let out = place(name).display().to_string();
        run(&["run", "--quiet", &file, "--out", &out])
    };
    again("first").expect(0, &["net"]);
    let kept = fs::read_to_string(place("first").join("plan.toml")).unwrap();
    assert!(kept.contains("[sources.net.input]"), "{kept}");
    fs::copy(fixtures().join("pictures/alpha.png"), place("in").join("colour.png")).unwrap();
    again("second").expect(2, &["the pictures in", "changed since the plan was made"]);
    fs::copy(model("conv.onnx"), place("net.onnx")).unwrap();
    again("third").expect(2, &["the model", "changed since the plan was made"]);
    run(&["plan", &file, "--app", "road-sign"]).expect(0, &["road-sign"]);
}

#[test]
fn what_cannot_run_is_told_before_any_sandbox_is_made() {
    if !ready(&["process"]) {
        return;
    }
    let input = pictures();
    let cases: [(&str, &[&str], &[&str]); 15] = [
        ("conv.onnx", &[], &["`images`", "--normalise", "no metadata"]),
        ("dynamic_size.onnx", &["--normalise", "unit"], &["--size WxH"]),
        ("two_inputs.onnx", &["--normalise", "unit"], &["`images`", "`others`", "--input-npz"]),
        ("unsupported.onnx", &["--normalise", "unit"], &["Frobnicate"]),
        ("unsupported_several.onnx", &[], &["operators `Det`, `com.example.Frobnicate`"]),
        ("nan.onnx", &["--normalise", "unit"], &["NaN"]),
        ("memory_bomb.onnx", &["--normalise", "unit"], &["more memory than this host has"]),
        ("truncated.onnx", &[], &["cut short"]),
        ("corrupt.onnx", &[], &["no ONNX file"]),
        ("external_absolute.onnx", &[], &["/etc/passwd", "model's own folder"]),
        ("conv.onnx", &["--normalise", "unit", "--size", "9x9"], &["contradicts", "9x9"]),
        (
            "large_run.onnx",
            &["--normalise", "unit", "--memory", "64M"],
            &["out of memory", "sandboxes have 64M", "--memory 320M would do"],
        ),
        ("external_missing.onnx", &[], &["absent.onnx.data"]),
        ("external_escaping.onnx", &[], &["../secret.data"]),
        ("conv.onnx", &["--normalise", "unit", "--app", "road-sign"], &["cannot be used with"]),
    ];
    for (name, arguments, words) in cases {
        let given = ["run", "--on", "process", "--input", &input, "--model", &model(name)];
        run(&[&given[..], arguments].concat()).expect(2, words);
    }
    let empty = folder();
    let input = empty.path().display().to_string();
    run(&["run", "--model", &model("nhwc_uint8.onnx"), "--input", &input])
        .expect(2, &["there is no picture in"]);
    let damaged = empty.path().join("damaged.png");
    fs::write(&damaged, b"\x89PNG\r\n\x1a\nnothing").unwrap();
    let refused = |words: &[&str]| {
        run(&["run", "--on", "process", "--model", &model("nhwc_uint8.onnx"), "--input", &input])
            .expect(2, words)
    };
    refused(&["damaged.png"]);
    fs::write(&damaged, "a letter").unwrap();
    refused(&["damaged.png is neither JPEG nor PNG"]);
}

/// On the host it fits, beside a guest's kernel it does not.
#[test]
fn a_guest_that_runs_out_of_memory_is_told_how_much_would_do() {
    if !ready(&["vm"]) {
        return;
    }
    let (folder, input) = (folder(), pictures());
    let bundle = folder.path().join("bundle");
    let out = bundle.display().to_string();
    let line = [
        &["run", "--quiet", "--on", "vm", "--out", &out, "--memory", "176M"][..],
        &["--model", &model("large_run.onnx"), "--input", &input, "--normalise", "unit"],
        &SHORT,
    ];
    let words = ["virtual machines may run out of it", "out of memory", "--memory 320M would do"];
    run(&line.concat()).expect(4, &words);
    let outcome = &trials(&bundle)[0]["outcome"];
    assert_eq!(outcome["kind"], "out_of_memory");
    // The guest's kernel gives the agent no more, and does not kill it.
    assert!(outcome["reason"].as_str().unwrap().contains("memory allocation of"), "{outcome}");
}
