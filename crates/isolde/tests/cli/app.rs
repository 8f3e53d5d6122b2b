//! The applications on the command line.

use std::fs;

use crate::rig::{folder, run};

#[test]
fn applications_are_listed_and_shown() {
    let listing = run(&["app", "list", "--format", "json"]).expect(0, &[]).json();
    assert_eq!(listing["schema"], 1);
    let applications = listing["applications"].as_array().unwrap();
    let names: Vec<_> =
        applications.iter().map(|listed| listed["name"].as_str().unwrap()).collect();
    for name in &names {
        run(&["app", "list"]).expect(0, &[name]);
    }
    assert_eq!(names.len(), 6);
    let by_name = |name: &str| applications.iter().find(|listed| listed["name"] == name).unwrap();
    assert_eq!(by_name("road-sign")["compact_parameters"], 64_511);
    // The scenario runs the four others' networks and has none of its own.
    let bytes = |name: &str| by_name(name)["compact_bytes"].as_u64().unwrap();
    let networks = by_name("driving-scenario")["networks"].as_array().unwrap();
    let sum: u64 = networks.iter().map(|name| bytes(name.as_str().unwrap())).sum();
    assert_eq!(bytes("driving-scenario"), sum);

    let words = ["LeNet-style", "64511 parameters", "Held-out accuracy", "000.png", "0.01"];
    run(&["app", "show", "road-sign"]).expect(0, &words);
    run(&["app", "show", "road-sign:reference"]).expect(0, &["predictions mean nothing"]);
    run(&["app", "show", "driving-scenario"]).expect(0, &["frame, detection, light, sign, lanes"]);
    let shown = run(&["app", "show", "lane-keeping", "--format", "json"]).expect(0, &[]).json();
    assert_eq!(shown["application"]["compact_input_px"], serde_json::json!([400, 144]));
}

#[test]
fn every_application_is_right_on_this_machine() {
    let checked = run(&["app", "check", "--format", "json"]).expect(0, &[]).json();
    let applications = checked["applications"].as_array().unwrap();
    assert_eq!(applications.len(), 6);
    for listed in applications {
        assert_eq!(listed["ok"], true, "{listed}");
        assert_eq!(listed["labels_right"], listed["inputs"], "{listed}");
        let number = |key: &str| listed[key].as_f64().unwrap();
        assert!(number("largest_difference") <= number("tolerance"), "{listed}");
    }
    run(&["app", "check", "road-sign"]).expect(0, &["largest difference", "86", "ok"]);
}

#[test]
fn what_is_exported_holds_networks_and_inputs() {
    let folder = folder();
    let out = folder.path().join("out");
    let line = ["app", "export", "road-sign", "--out", out.to_str().unwrap()];
    run(&line).expect(0, &[]);
    let list = fs::read_to_string(out.join("export.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["networks"], serde_json::json!(["road-sign"]));
    assert_eq!(list["inputs"].as_array().unwrap().len(), 86);
    assert_eq!(list["labels"][0], 12);
    // Each input is 32×32 values of 4 bytes.
    let inputs = fs::metadata(out.join("road-sign.npz")).unwrap().len();
    assert!((86 * 4096..86 * 4500).contains(&inputs), "{inputs}");
    run(&line).expect(74, &["cannot write", "out"]);
    // The cache serves where no folder is named.
    run(&["app", "check", "road-sign:reference"]).expect(0, &["predictions mean nothing"]);
    // What was exported serves as a network of reference size.
    let networks = out.to_str().unwrap();
    run(&["app", "check", "road-sign:reference", "--networks", networks])
        .expect(0, &["road-sign:reference", "predictions mean nothing"]);
    fs::copy(out.join("road-sign.onnx"), out.join("traffic-light.onnx")).unwrap();
    run(&["app", "check", "traffic-light:reference", "--networks", networks])
        .expect(4, &["FAILED", "traffic-light.onnx", "[[1, 3, 299, 299]]"]);
    run(&["app", "check", "lane-keeping:reference", "--networks", networks])
        .expect(4, &["FAILED", "lane-keeping.onnx"]);
}

#[test]
fn what_is_no_application_is_wrong_usage() {
    run(&["app", "show", "cat"]).expect(2, &["known are object-detection, "]);
    run(&["app", "check", "road-sign", "cat"]).expect(2, &["unknown application `cat`"]);
    run(&["app", "check", "road-sign:big"]).expect(2, &["unknown size `big`", ":reference"]);
    run(&["app", "export", "road-sign"]).expect(2, &["--out"]);
}
