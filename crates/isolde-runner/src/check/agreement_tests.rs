use super::*;
use crate::run::tests::plan;
use isolde_model::{
    Colour, Element, Layout, ModelInput, ModelSource, PictureInput, PictureSize, Resize, Source,
};

const DIMENSIONS: usize = 3;

/// What a correct agent sends for the road-sign plan, with outputs made up.
fn launch(plan: &Plan, shift: f32) -> (Vec<Inference>, Vec<OutputTensor>) {
    let labels = "road-sign".parse::<isolde_apps::Choice>().unwrap().expected_labels().unwrap();
    let total = plan.warm_up + plan.inferences;
    let outputs: Vec<_> = (0..total)
        .map(|input| OutputTensor { input, values: vec![input as f32 + shift; DIMENSIONS] })
        .collect();
    let inferences = outputs
        .iter()
        .map(|output| Inference {
            index: output.input,
            phase: if output.input < plan.warm_up { Phase::WarmUp } else { Phase::Steady },
            input: output.input,
            prepare_ns: 1,
            infer_ns: 1,
            interpret_ns: 1,
            label: labels[output.input as usize],
            output_digest: output_digest(&output.values),
            tasks: Vec::new(),
        })
        .collect();
    (inferences, outputs)
}

fn facts(features: &str) -> InsideFacts {
    InsideFacts { features_digest: Some(features.into()), ..InsideFacts::default() }
}

fn trial(environment: &str) -> Trial {
    let environment = EnvironmentName::new(environment);
    Trial {
        index: 0,
        block: 0,
        position: 0,
        environment,
        application: "road-sign".into(),
        threads: 1,
    }
}

#[test]
fn the_same_features_must_give_the_same_bits() {
    let plan = plan(&["a", "b"], 1);
    let mut agreements = Agreements::default();
    let (inferences, outputs) = launch(&plan, 0.0);
    agreements.check(&plan, &trial("a"), &facts("x"), &inferences, &outputs).unwrap();
    let same = agreements.check(&plan, &trial("b"), &facts("x"), &inferences, &outputs).unwrap();
    assert!(same.identical && same.tolerance == 0.0);
    let (inferences, outputs) = launch(&plan, 1e-5);
    let reason =
        agreements.check(&plan, &trial("b"), &facts("x"), &inferences, &outputs).unwrap_err();
    assert!(reason.contains("allowed difference 0"), "{reason}");
}

#[test]
fn other_features_may_differ_within_the_tolerance() {
    let plan = plan(&["a", "b"], 1);
    let mut agreements = Agreements::default();
    let (inferences, outputs) = launch(&plan, 0.0);
    agreements.check(&plan, &trial("a"), &facts("x"), &inferences, &outputs).unwrap();
    let (inferences, outputs) = launch(&plan, 1e-4);
    let near = agreements.check(&plan, &trial("b"), &facts("y"), &inferences, &outputs).unwrap();
    assert!(!near.identical && near.largest_difference > 0.0);
    let (inferences, outputs) = launch(&plan, 1.0);
    assert!(agreements.check(&plan, &trial("c"), &facts("z"), &inferences, &outputs).is_err());
}

/// A user's model of so many inputs that one value of each output is kept.
fn plan_of_a_model() -> Plan {
    let input = PictureInput {
        name: "images".into(),
        element: Element::Float32,
        layout: Layout::Nchw,
        size: PictureSize { width: 1, height: 1 },
        colour: Colour::Rgb,
        resize: Resize::Stretch,
        scale: 1.0,
        mean: [0.0; 3],
        deviation: [1.0; 3],
    };
    let model = ModelSource {
        model: "net.onnx".into(),
        digest: String::new(),
        weights: BTreeMap::new(),
        inputs: "pictures".into(),
        inputs_digest: String::new(),
        count: u32::MAX,
        input: ModelInput::Picture(input),
    };
    Plan {
        applications: vec!["net".into()],
        sources: BTreeMap::from([("net".into(), Source::Model(model))]),
        ..plan(&["a", "b"], 1)
    }
}

#[test]
fn outputs_of_a_users_model_need_no_labels_and_may_be_samples() {
    let plan = plan_of_a_model();
    let trial = |environment| Trial { application: "net".into(), ..trial(environment) };
    let made = |value: f32, digest: &str| {
        let (mut inferences, mut outputs) = launch(&plan, 0.0);
        for inference in &mut inferences {
            inference.label = 77;
            inference.output_digest = digest.into();
        }
        outputs.iter_mut().for_each(|output| output.values = vec![value]);
        (inferences, outputs)
    };
    let mut agreements = Agreements::default();
    let mut check = |environment, features, value, digest| {
        let (inferences, outputs) = made(value, digest);
        agreements.check(&plan, &trial(environment), &facts(features), &inferences, &outputs)
    };
    assert!(check("a", "x", 100.0, "one").unwrap().identical);
    // What was not sent differs: not within the same features.
    assert!(check("b", "x", 100.0, "other").unwrap_err().contains("not sent"));
    // Within a thousandth of the largest value, of 100, with others.
    assert!(!check("b", "y", 100.05, "other").unwrap().identical);
    assert!(check("b", "z", 100.2, "other").unwrap_err().contains("allowed difference"));
    let (mut inferences, outputs) = made(1.0, "one");
    let again = inferences[0].input;
    inferences[1].input = again;
    inferences[1].output_digest = "other".into();
    let reason = Agreements::default()
        .check(&plan, &trial("a"), &facts("x"), &inferences, &outputs)
        .unwrap_err();
    assert!(reason.contains("another output"), "{reason}");
}

#[test]
fn what_is_wrong_in_itself_is_told() {
    let plan = plan(&["a"], 1);
    type Spoil = fn(&mut Vec<Inference>, &mut Vec<OutputTensor>);
    let cases: [(Spoil, &str); 6] = [
        (|inferences, _| drop(inferences.pop()), "asked for"),
        (|inferences, _| inferences.swap(0, 1), "out of order"),
        (|inferences, _| inferences[1].label += 1, "class"),
        (|_, outputs| outputs[0].values[0] = f32::NAN, "another output"),
        (|_, outputs| drop(outputs.pop()), "missing"),
        (|_, outputs| outputs.push(outputs[0].clone()), "twice"),
    ];
    for (spoil, word) in cases {
        let (mut inferences, mut outputs) = launch(&plan, 0.0);
        spoil(&mut inferences, &mut outputs);
        let reason = Agreements::default()
            .check(&plan, &trial("a"), &facts("x"), &inferences, &outputs)
            .unwrap_err();
        assert!(reason.contains(word), "{reason}");
    }
}
