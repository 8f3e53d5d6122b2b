//! Users' models from file to output, on models and pictures made by
//! fixtures/make.py and against what ONNX Runtime, Pillow and numpy made of them.

#![expect(clippy::unwrap_used, reason = "a fixture that is missing fails its test")]

use std::path::{Path, PathBuf};

use isolde_apps::user_model::{
    Hints, ModelFile, ModelFileError, Normalisation, load, meaning, outline, pictures, read_model,
};
use isolde_apps::{AppError, Application, Threads};
use isolde_model::{Element, ModelInput, PictureSize};
use proptest::prelude::*;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn path(model: &str) -> PathBuf {
    fixtures().join("models").join(model)
}

fn read(model: &str) -> Result<ModelFile, ModelFileError> {
    read_model(&path(model))
}

/// The model over the pictures of the fixtures, and the pictures' names.
fn application(model: &str, hints: Hints) -> (Vec<String>, Result<Box<dyn Application>, AppError>) {
    let input = meaning(&read(model).unwrap().outline, hints).unwrap();
    let pictures = pictures(&fixtures().join("pictures")).unwrap();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let names = pictures.paths.iter().map(name).collect();
    let input = ModelInput::Picture(input);
    (names, load(&path(model), &pictures.paths, &input, &Threads::new(1)))
}

fn values(values: Normalisation) -> Hints {
    Hints { values: Some(values), ..Hints::default() }
}

fn largest_difference(ours: &[f32], theirs: &Value) -> f32 {
    let theirs: Vec<f32> = serde_json::from_value(theirs.clone()).unwrap();
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Decoding, resizing, normalising and inference against the same pipeline of
/// other programs. PNG pixels are equal, so only sums differ; JPEG decoders
/// differ by a few levels of 255.
#[test]
fn whole_pipelines_give_what_other_programs_give() {
    let text = std::fs::read_to_string(fixtures().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let size = Some(PictureSize { width: 32, height: 24 });
    let imagenet = values(Normalisation::IMAGENET);
    for (model, hints) in [
        ("conv.onnx", imagenet),
        ("external.onnx", imagenet),
        ("dynamic_size.onnx", Hints { size, ..imagenet }),
        ("nhwc_uint8.onnx", Hints::default()),
        ("dynamic_batch.onnx", Hints::default()),
    ] {
        let (names, application) = application(model, hints);
        let mut application = application.unwrap();
        for (input, name) in (0..).zip(&names) {
            application.prepare(input, 0).unwrap();
            application.infer(0).unwrap();
            let label = application.interpret(0).unwrap();
            let scores = &expected["scores"][name][model];
            let difference = largest_difference(application.output(), scores);
            let allowed = if name.ends_with(".png") { 1e-4 } else { 5e-2 };
            assert!(difference < allowed, "{model} on {name}: {difference}");
            let largest = application.output().iter().copied().fold(f32::MIN, f32::max);
            assert_eq!(application.output()[label as usize].to_bits(), largest.to_bits());
        }
    }
}

/// The engine computes both in float32.
#[test]
fn a_float16_input_is_given_what_a_float32_input_is() {
    let folder = tempfile::tempdir().unwrap();
    let twin = folder.path().join("float32.onnx");
    let mut bytes = std::fs::read(path("float16.onnx")).unwrap();
    // Field 1 of a tensor's type is its element: 10 is float16, 1 is float32.
    while let Some(place) = bytes.windows(3).position(|bytes| bytes == [8, 10, 0x12]) {
        bytes[place + 1] = 1;
    }
    std::fs::write(&twin, bytes).unwrap();
    let pictures = pictures(&fixtures().join("pictures")).unwrap();
    let scores = |model: &Path, element| {
        let outline = read_model(model).unwrap().outline;
        let input = meaning(&outline, values(Normalisation::SIGNED)).unwrap();
        assert_eq!(input.element, element);
        let input = ModelInput::Picture(input);
        let mut application = load(model, &pictures.paths, &input, &Threads::new(1)).unwrap();
        application.prepare(0, 0).unwrap();
        application.infer(0).unwrap();
        application.interpret(0).unwrap();
        application.output().to_vec()
    };
    let halves = scores(&path("float16.onnx"), Element::Float16);
    assert_eq!(halves.len(), 3);
    assert_eq!(halves, scores(&twin, Element::Float32));
}

#[test]
fn what_a_model_says_of_itself_is_read() {
    let outline = read("dynamic_batch.onnx").unwrap().outline;
    assert_eq!(outline.inputs[0].to_string(), "`images`: float32 [batch, 3, 24, 32]");
    assert_eq!(outline.outputs[0].name, "scores");
    assert_eq!(outline.opsets[""], 17);
    assert_eq!(outline.metadata["task"], "detect");
    assert!(outline.operators.contains("Conv") && outline.operators.contains("Gemm"));
    let odd = read("unsupported.onnx").unwrap().outline;
    assert!(odd.operators.contains("com.example.Frobnicate"));
    let external = read("external.onnx").unwrap();
    assert_eq!(external.weights.len(), 1);
    assert_eq!(external.weights[0].location, "external.onnx.data");
}

#[test]
fn files_that_cannot_be_used_are_told_with_their_reason() {
    for (model, words) in [
        ("truncated.onnx", "cut short"),
        ("corrupt.onnx", "no ONNX file"),
        ("external_missing.onnx", "put it beside the model"),
        ("external_escaping.onnx", "model's own folder"),
        ("external_absolute.onnx", "model's own folder"),
        ("external_other_name.onnx", "*.onnx_data"),
        ("absent.onnx", "cannot read"),
        ("external.onnx.data", "not called *.onnx"),
    ] {
        let error = read(model).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let said = format!("{error}: {source}");
        assert!(said.contains(words) && said.contains(model), "{model}: {said}");
    }
    let two = read("two_inputs.onnx").unwrap().outline;
    let said = meaning(&two, Hints::default()).unwrap_err().to_string();
    assert!(said.contains("`images`") && said.contains("`others`"), "{said}");
    assert!(outline(&[]).unwrap_err().to_string().contains("no graph"));
}

#[test]
fn a_link_to_weights_elsewhere_and_short_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("net.onnx");
    std::fs::copy(path("external.onnx"), &model).unwrap();
    let weights = folder.path().join("external.onnx.data");
    std::os::unix::fs::symlink("/etc/passwd", &weights).unwrap();
    let said = read_model(&model).unwrap_err().to_string();
    assert!(said.contains("a link to outside"), "{said}");
    std::fs::remove_file(&weights).unwrap();
    std::fs::write(&weights, "short").unwrap();
    let said = read_model(&model).unwrap_err().to_string();
    assert!(said.contains("5 bytes"), "{said}");
}

#[test]
fn what_the_engine_cannot_do_is_named_when_it_is_loaded() {
    let (_, application) = application("unsupported.onnx", values(Normalisation::UNIT));
    let error = application.err().unwrap();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("Frobnicate"), "{error}: {source}");
}

#[test]
fn an_output_that_is_no_number_is_a_failure() {
    let (_, application) = application("nan.onnx", values(Normalisation::UNIT));
    let mut application = application.unwrap();
    assert!(matches!(application.interpret(0), Err(AppError::OutOfOrder { .. })));
    application.prepare(0, 0).unwrap();
    application.infer(0).unwrap();
    assert!(matches!(application.interpret(0), Err(AppError::NotFinite { position: 0, .. })));
    assert!(matches!(application.prepare(8, 0), Err(AppError::NoSuchInput { inputs: 8, .. })));
}

fn models() -> impl Strategy<Value = Vec<u8>> {
    let folder = std::fs::read_dir(fixtures().join("models")).unwrap();
    let files: Vec<Vec<u8>> =
        folder.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    proptest::sample::select(files)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        if let Ok(outline) = outline(&bytes) {
            let _ = meaning(&outline, Hints::default());
        }
    }

    #[test]
    fn damaged_models_never_panic(
        mut bytes in models(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length: prop::sample::Index,
    ) {
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(length.index(bytes.len()) + 1);
        if let Ok(outline) = outline(&bytes) {
            let _ = meaning(&outline, values(Normalisation::UNIT));
        }
    }
}

/// A field with a content.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

/// Deeper than the engine's own parser could go without running out of stack.
#[test]
fn graphs_within_graphs_end_somewhere() {
    let mut graph = Vec::new();
    for _ in 0..1000 {
        graph = field(1, &field(5, &field(6, &graph)));
    }
    let said = outline(&field(7, &graph)).unwrap_err().to_string();
    assert!(said.contains("nested"), "{said}");
}

/// Found by a fuzzer: on a number of more than ten bytes among a tensor's
/// packed ones the engine's own parser never returns, and a rest of packed
/// floats it takes for fields.
#[test]
fn packed_numbers_that_mislead_the_engines_parser_are_refused() {
    for packed in [4, 10] {
        let tensor = field(packed, &[0; 9]);
        let said = outline(&field(7, &field(5, &tensor))).unwrap_err().to_string();
        assert!(said.contains("no whole number of values"), "{said}");
    }
    for packed in [5, 7] {
        let tensor = field(packed, &[0xff; 16]);
        let said = outline(&field(7, &field(5, &tensor))).unwrap_err().to_string();
        assert!(said.contains("64 bits"), "{said}");
    }
}
