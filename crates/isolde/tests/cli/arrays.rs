//! A model of the user's that takes arrays: `run --model --input-npz`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::rig::{finish, folder, isolde, ready, run, trials};

const SHORT: [&str; 6] = ["--launches", "1", "--inferences", "5", "--warm-up", "1"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../isolde-apps/tests/fixtures").join(name)
}

fn model(name: &str) -> String {
    fixture("models").join(name).display().to_string()
}

fn arrays(name: &str) -> String {
    fixture("arrays").join(name).display().to_string()
}

#[test]
fn arrays_give_the_same_in_every_environment() {
    if !ready(&["process", "container"]) {
        return;
    }
    let folder = folder();
    let bundle = folder.path().join("bundle");
    let out = bundle.display().to_string();
    let line = [
        &["run", "--quiet", "--on", "process,container", "--out", &out][..],
        &["--model", &model("arrays.onnx"), "--input-npz", &arrays("")],
        &SHORT,
    ];
    run(&line.concat()).expect(0, &["arrays", "complete"]);
    let trials = trials(&bundle);
    assert_eq!(trials.len(), 2);
    for trial in trials {
        assert_eq!(trial["agreement"]["identical"], true, "{trial}");
    }
}

#[test]
fn a_plan_keeps_the_arrays_and_notices_their_change() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let place = |name: &str| folder.path().join(name);
    fs::copy(model("arrays.onnx"), place("net.onnx")).unwrap();
    fs::copy(arrays("first.npz"), place("in.npz")).unwrap();
    let words = ["plan", "--on", "process", "--model", "net.onnx", "--input-npz", "in.npz"];
    let mut plan = isolde(&words);
    plan.args(SHORT).current_dir(folder.path());
    let said = ["[[sources.net.input.arrays]]", "name = \"tokens\"", "element = \"int64\""];
    let plan = finish(&mut plan).expect(0, &said);
    fs::write(place("plan.toml"), &plan.stdout).unwrap();
    let file = place("plan.toml").display().to_string();
    let again = |name: &str| {
        let out = place(name).display().to_string();
        run(&["run", "--quiet", &file, "--out", &out])
    };
    again("first").expect(0, &["net"]);
    fs::copy(arrays("second.npz"), place("in.npz")).unwrap();
    again("second").expect(2, &["the arrays in", "changed since the plan was made"]);
}

#[test]
fn what_cannot_be_given_is_told_before_any_sandbox_is_made() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let place = |name: &str| folder.path().join(name).display().to_string();
    fs::write(place("no.npz"), "no archive").unwrap();
    let whole = fs::read(arrays("first.npz")).unwrap();
    fs::write(place("short.npz"), &whole[..whole.len() - 9]).unwrap();
    fs::create_dir(place("empty")).unwrap();
    let picture = fixture("pictures/colour.png").display().to_string();
    let pictures = fixture("pictures").display().to_string();
    let pair = ["no array `left`, which is float32 [?, 3]", "`tokens` is none of its inputs"];
    let cases: [(&str, &str, &[&str], &[&str]); 11] = [
        ("pair.onnx", &arrays("first.npz"), &[], &pair),
        ("text.onnx", &arrays("first.npz"), &[], &["`words`: string [1] cannot be given"]),
        ("arrays.onnx", &place("no.npz"), &[], &["no.npz is no .npz file"]),
        ("arrays.onnx", &place("short.npz"), &[], &["short.npz", "directory is missing"]),
        ("arrays.onnx", &place("absent.npz"), &[], &["cannot read", "absent.npz"]),
        ("arrays.onnx", &place("empty"), &[], &["there is no file of arrays in"]),
        ("arrays.onnx", &picture, &[], &["colour.png is no .npz file"]),
        ("unsupported_several.onnx", &arrays(""), &[], &["`Det`, `com.example.Frobnicate`"]),
        ("arrays.onnx", &arrays(""), &["--input", &pictures], &["cannot be used with"]),
        ("arrays.onnx", &arrays(""), &["--size", "9x9"], &["cannot be used with"]),
        ("truncated.onnx", &arrays(""), &[], &["cut short"]),
    ];
    for (name, input, arguments, words) in cases {
        let given = ["run", "--on", "process", "--input-npz", input, "--model", &model(name)];
        run(&[&given[..], arguments].concat()).expect(2, words);
    }
    run(&["run", "--input-npz", &arrays("")]).expect(2, &["--model"]);
    run(&["run", "--model", &model("arrays.onnx")]).expect(2, &["--input <DIR>|--input-npz"]);
}
