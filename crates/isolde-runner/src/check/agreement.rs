//! Equal outputs: against the labels that the inputs must get, against the
//! launch's own digests, and against the other environments.

use std::collections::BTreeMap;

use isolde_agent::output_digest;
use isolde_apps::Description;
use isolde_model::{
    Agreement, EnvironmentName, Inference, InsideFacts, OutputTensor, Phase, Plan, Trial,
};

/// The outputs that later launches of an application are compared with.
#[derive(Debug)]
struct Reference {
    environment: EnvironmentName,
    outputs: BTreeMap<u32, Vec<f32>>,
}

/// References so far: for each application the first launch's, and the first
/// of each set of CPU features.
#[derive(Debug, Default)]
pub(crate) struct Agreements {
    first: BTreeMap<String, Reference>,
    same_features: BTreeMap<(String, String), Reference>,
}

impl Agreements {
    /// Checks a finished launch; the first of its kind becomes the reference.
    ///
    /// # Errors
    /// What is wrong with its outputs.
    pub(crate) fn check(
        &mut self,
        plan: &Plan,
        trial: &Trial,
        facts: &InsideFacts,
        inferences: &[Inference],
        outputs: &[OutputTensor],
    ) -> Result<Agreement, String> {
        let description = isolde_apps::find(&trial.application)
            .ok_or_else(|| format!("there is no application `{}`", trial.application))?;
        let outputs = index_outputs(outputs)?;
        check_inferences(plan, &(description.expected_labels)(), inferences, &outputs)?;
        self.compare(trial, facts, description, outputs)
    }

    fn compare(
        &mut self,
        trial: &Trial,
        facts: &InsideFacts,
        description: &Description,
        outputs: BTreeMap<u32, Vec<f32>>,
    ) -> Result<Agreement, String> {
        let reference = |outputs| Reference { environment: trial.environment.clone(), outputs };
        // Where the features cannot be read, nothing says that they are the same.
        let features =
            facts.features_digest.clone().unwrap_or_else(|| trial.environment.to_string());
        let key = (trial.application.clone(), features);
        if let Some(same) = self.same_features.get(&key) {
            return agree(same, &outputs, 0.0);
        }
        let agreement = match self.first.get(&trial.application) {
            Some(first) => agree(first, &outputs, description.output_tolerance)?,
            None => {
                let first = reference(outputs.clone());
                let agreement = agree(&first, &outputs, 0.0)?;
                self.first.insert(trial.application.clone(), first);
                agreement
            }
        };
        self.same_features.insert(key, reference(outputs));
        Ok(agreement)
    }
}

fn index_outputs(outputs: &[OutputTensor]) -> Result<BTreeMap<u32, Vec<f32>>, String> {
    let mut indexed = BTreeMap::new();
    for OutputTensor { input, values } in outputs {
        if indexed.insert(*input, values.clone()).is_some() {
            return Err(format!("the output of input {input} came twice"));
        }
    }
    Ok(indexed)
}

/// Every planned inference once, in order, with the label its input must get
/// and the digest of the output that was sent for its input.
fn check_inferences(
    plan: &Plan,
    expected_labels: &[u32],
    inferences: &[Inference],
    outputs: &BTreeMap<u32, Vec<f32>>,
) -> Result<(), String> {
    let planned = plan.warm_up as usize + plan.inferences as usize;
    if inferences.len() != planned {
        return Err(format!("{planned} inferences were asked for, {} came", inferences.len()));
    }
    let digests: BTreeMap<u32, String> =
        outputs.iter().map(|(input, values)| (*input, output_digest(values))).collect();
    for (position, inference) in (0..).zip(inferences) {
        let Inference { index, input, label, phase, .. } = inference;
        let warm = if position < plan.warm_up { Phase::WarmUp } else { Phase::Steady };
        if (*index, *phase) != (position, warm) {
            return Err(format!("inference {position} is missing or out of order"));
        }
        let expected = expected_labels
            .get(*input as usize)
            .ok_or_else(|| format!("inference {index} used input {input}, which does not exist"))?;
        if label != expected {
            return Err(format!("input {input} is of class {expected}, it said {label}"));
        }
        match digests.get(input) {
            Some(digest) if *digest == inference.output_digest => {}
            Some(_) => {
                return Err(format!(
                    "inference {index} gave another output for input {input} than before"
                ));
            }
            None => return Err(format!("the output of input {input} is missing")),
        }
    }
    Ok(())
}

fn agree(
    reference: &Reference,
    outputs: &BTreeMap<u32, Vec<f32>>,
    tolerance: f32,
) -> Result<Agreement, String> {
    if !reference.outputs.keys().eq(outputs.keys()) {
        return Err(format!("other inputs were used than in {}", reference.environment));
    }
    let mut largest_difference: f32 = 0.0;
    let mut identical = true;
    for (input, values) in outputs {
        let theirs = &reference.outputs[input];
        if theirs.len() != values.len() {
            return Err(format!(
                "the output of input {input} has {} values, not {}",
                values.len(),
                theirs.len()
            ));
        }
        for (ours, theirs) in values.iter().zip(theirs) {
            let difference = (ours - theirs).abs();
            identical &= ours.to_bits() == theirs.to_bits();
            if difference.is_nan() || difference > tolerance {
                return Err(format!(
                    "an output of input {input} is {ours}, in {} it was {theirs} (allowed difference {tolerance})",
                    reference.environment
                ));
            }
            largest_difference = largest_difference.max(difference);
        }
    }
    if tolerance == 0.0 && !identical {
        return Err(format!("the sign of a zero differs from {}", reference.environment));
    }
    Ok(Agreement {
        reference: reference.environment.clone(),
        identical,
        largest_difference,
        tolerance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::plan;

    const DIMENSIONS: usize = 3;

    /// What a correct agent sends for the road-sign plan, with outputs made up.
    fn launch(plan: &Plan, shift: f32) -> (Vec<Inference>, Vec<OutputTensor>) {
        let labels = (isolde_apps::find("road-sign").unwrap().expected_labels)();
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
            })
            .collect();
        (inferences, outputs)
    }

    fn facts(features: &str) -> InsideFacts {
        InsideFacts { features_digest: Some(features.into()), ..InsideFacts::default() }
    }

    fn trial(environment: &str) -> Trial {
        let environment = EnvironmentName::new(environment);
        Trial { index: 0, block: 0, position: 0, environment, application: "road-sign".into() }
    }

    #[test]
    fn the_same_features_must_give_the_same_bits() {
        let plan = plan(&["a", "b"], 1);
        let mut agreements = Agreements::default();
        let (inferences, outputs) = launch(&plan, 0.0);
        agreements.check(&plan, &trial("a"), &facts("x"), &inferences, &outputs).unwrap();
        let same =
            agreements.check(&plan, &trial("b"), &facts("x"), &inferences, &outputs).unwrap();
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
        let near =
            agreements.check(&plan, &trial("b"), &facts("y"), &inferences, &outputs).unwrap();
        assert!(!near.identical && near.largest_difference > 0.0);
        let (inferences, outputs) = launch(&plan, 1.0);
        assert!(agreements.check(&plan, &trial("c"), &facts("z"), &inferences, &outputs).is_err());
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
}
