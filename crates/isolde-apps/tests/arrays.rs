//! Users' models that take arrays, on files made by fixtures/make_arrays.py and
//! against what ONNX Runtime made of them; and archives of strangers.

#![expect(clippy::unwrap_used, reason = "a fixture that is missing fails its test")]

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use isolde_apps::user_model::{
    array_files, array_inputs, check_arrays, load, read_model, unsupported_operators,
};
use isolde_apps::{AppError, Threads};
use isolde_model::{ArrayInputs, ModelInput};
use proptest::prelude::*;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn model(name: &str) -> PathBuf {
    fixtures().join("models").join(name)
}

fn wanted(name: &str) -> ArrayInputs {
    array_inputs(&read_model(&model(name)).unwrap().outline).unwrap()
}

/// Every type that can be given; stored and deflated, both byte orders, both orders
/// of axes.
#[test]
fn whole_pipelines_give_what_other_programs_give() {
    let text = std::fs::read_to_string(fixtures().join("arrays.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let wanted = wanted("arrays.onnx");
    let files = array_files(&fixtures().join("arrays"), &wanted).unwrap();
    let input = ModelInput::Arrays(wanted);
    let mut application =
        load(&model("arrays.onnx"), &files.paths, &input, &Threads::new(1)).unwrap();
    assert!(matches!(application.infer(0), Err(AppError::OutOfOrder { .. })));
    for (number, scores) in (0..).zip(expected["scores"].as_array().unwrap()) {
        application.prepare(number, 0).unwrap();
        application.infer(0).unwrap();
        let label = application.interpret(0).unwrap();
        let scores: Vec<f32> = serde_json::from_value(scores.clone()).unwrap();
        for (ours, theirs) in application.output().iter().zip(&scores) {
            assert!((ours - theirs).abs() < 1e-4, "{number}: {ours} and {theirs}");
        }
        assert!(scores.iter().all(|score| *score <= scores[label as usize]));
    }
    assert!(matches!(application.prepare(2, 0), Err(AppError::NoSuchInput { inputs: 2, .. })));
}

/// An archive of stored members, as `numpy.savez` writes it.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let mut sum = flate2::Crc::new();
        sum.update(content);
        let number = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
        let (length, place) = (number(content.len()), number(file.len()));
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let front = [0; 10];
        let sizes = [&sum.sum().to_le_bytes()[..], &length, &length, &name_length].concat();
        directory.extend([b"PK\x01\x02\x14\0", &front[..], &sizes, &[0; 12]].concat());
        directory.extend([&place[..], name.as_bytes()].concat());
        file.extend(
            [b"PK\x03\x04", &front[..], &sizes, &[0; 2], name.as_bytes(), content].concat(),
        );
    }
    let number = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count].concat();
    [&file[..], &directory, &end, &number(directory.len()), &number(file.len()), &[0; 2]].concat()
}

fn array(descr: &str, shape: &str, bytes: usize) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), &vec![0; bytes]].concat()
}

fn refusal(content: &[u8]) -> String {
    check_arrays(content, &wanted("pair.onnx")).unwrap_err().to_string()
}

#[test]
fn every_difference_is_told_with_what_to_do() {
    let (left, right) = (array("<f4", "(5, 3)", 60), array("<f4", "(3, 2)", 24));
    let whole = archive(&[("left.npy", &left), ("right.npy", &right)]);
    check_arrays(&whole, &wanted("pair.onnx")).unwrap();
    let said = refusal(&archive(&[("left.npy", &left), ("../wrong.npy", &right)]));
    assert!(said.contains("no array `right`, which is float32 [3, 2]"), "{said}");
    assert!(said.contains("`../wrong` is none of its inputs: leave it out"), "{said}");
    let longs = array("<i8", "(5, 3)", 120);
    let said = refusal(&archive(&[("left.npy", &longs), ("right.npy", &left)]));
    assert!(said.contains("`left` is int64 [5, 3], and the model takes float32 [?, 3]"), "{said}");
    assert!(said.contains("array.astype(numpy.float32)"), "{said}");
    assert!(said.contains("`right` is float32 [5, 3]") && said.contains("that shape"), "{said}");
    let said = refusal(&archive(&[("left.npy", &left), ("left.npy", &left)]));
    assert!(said.contains("two arrays `left`"), "{said}");
    let said = refusal(&archive(&[("left.npy", &left[..100]), ("right.npy", &right)]));
    assert!(said.contains("its array `left`") && said.contains("cut short"), "{said}");
}

#[test]
fn what_is_no_archive_is_told() {
    let pair = archive(&[("left.npy", &array("<f4", "(5, 3)", 60))]);
    let mut damaged = pair.clone();
    damaged[100] ^= 1;
    let mut encrypted = pair.clone();
    let directory = pair.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    encrypted[directory + 8] = 1;
    let mut packed = pair.clone();
    packed[directory + 10] = 99;
    let mut outside = pair.clone();
    outside[directory + 42] = 200;
    let cases = [
        (pair[..pair.len() - 1].to_vec(), "directory is missing"),
        (damaged, "checksum"),
        (encrypted, "encrypted"),
        (packed, "another method"),
        (outside, "outside"),
        (archive(&[("left.txt", b"")]), "not called *.npy"),
        (archive(&[("left.npy", b"no array")]), "no array of NumPy"),
    ];
    for (content, words) in cases {
        let said = refusal(&content);
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let mut bomb = DeflateEncoder::new(Vec::new(), Compression::fast());
    bomb.write_all(&vec![0; 8 << 20]).unwrap();
    let mut pair = archive(&[("left.npy", &bomb.finish().unwrap())]);
    let directory = pair.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    pair[directory + 10] = 8;
    let mut claim = |bytes: u32| {
        pair[directory + 24..directory + 28].copy_from_slice(&bytes.to_le_bytes());
        refusal(&pair)
    };
    let said = claim(300 << 20);
    assert!(said.contains("256 MiB"), "{said}");
    // What claims to be small is unpacked no further than that.
    let said = claim(10);
    assert!(said.contains("`left` is not what its checksum says"), "{said}");
}

#[test]
fn inputs_that_no_array_can_be_given_to_are_named() {
    let outline = read_model(&model("text.onnx")).unwrap().outline;
    let said = array_inputs(&outline).unwrap_err().to_string();
    assert!(said.contains("`words`: string [1]"), "{said}");
}

#[test]
fn all_unsupported_operators_of_a_model_are_named() {
    let outline = read_model(&model("unsupported_several.onnx")).unwrap().outline;
    assert_eq!(unsupported_operators(&outline), ["`Det`", "`com.example.Frobnicate`"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn damaged_archives_never_panic(
        number in 0..2usize,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length: prop::sample::Index,
    ) {
        let name = ["first.npz", "second.npz"][number];
        let mut bytes = std::fs::read(fixtures().join("arrays").join(name)).unwrap();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = check_arrays(&bytes, &wanted("arrays.onnx"));
        bytes.truncate(length.index(bytes.len()) + 1);
        let _ = check_arrays(&bytes, &wanted("arrays.onnx"));
    }
}
