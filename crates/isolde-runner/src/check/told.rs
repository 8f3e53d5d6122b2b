//! Equal outputs of programs: by input where they say which it is, else by place.

use std::collections::BTreeMap;

use isolde_model::{
    Agreement, EnvironmentName, Inference, InsideFacts, OutputTensor, ProgramFacts, Trial,
};

/// Largest difference of a value, as a share of its reference or of 1 where
/// that is smaller, that other CPU features may cause by summing in another
/// order.
const TOLERANCE: f32 = 1e-3;

/// An output as it was told.
#[derive(Debug, Clone)]
struct Told {
    digest: String,
    values: Option<Vec<f32>>,
}

/// Outputs by the name, number or place of their inputs.
type Outputs = BTreeMap<String, Told>;

#[derive(Debug)]
struct Reference {
    environment: EnvironmentName,
    outputs: Outputs,
}

/// References so far: for each program the first launch's, and the first of
/// each set of CPU features.
#[derive(Debug, Default)]
pub(crate) struct ProgramAgreements {
    first: BTreeMap<String, Reference>,
    same_features: BTreeMap<(String, String), Reference>,
}

impl ProgramAgreements {
    /// Checks a finished launch; the first of its kind becomes the reference.
    /// `None` where programs tell no outputs.
    ///
    /// # Errors
    /// What is wrong with its outputs.
    pub(crate) fn check(
        &mut self,
        trial: &Trial,
        inside: &InsideFacts,
        facts: &ProgramFacts,
        inferences: &[Inference],
        tensors: &[OutputTensor],
    ) -> Result<Option<Agreement>, String> {
        let outputs = gather(facts, inferences, tensors)?;
        // Where the features cannot be read, nothing says that they are the same.
        let features =
            inside.features_digest.clone().unwrap_or_else(|| trial.environment.to_string());
        let key = (trial.application.clone(), features);
        if let Some(same) = self.same_features.get(&key) {
            return agree(same, &outputs, 0.0);
        }
        let reference =
            || Reference { environment: trial.environment.clone(), outputs: outputs.clone() };
        let agreement = match self.first.get(&trial.application) {
            Some(first) => agree(first, &outputs, TOLERANCE)?,
            None => agree(self.first.entry(key.0.clone()).or_insert(reference()), &outputs, 0.0)?,
        };
        self.same_features.insert(key, reference());
        Ok(agreement)
    }
}

fn gather(
    facts: &ProgramFacts,
    inferences: &[Inference],
    tensors: &[OutputTensor],
) -> Result<Outputs, String> {
    let values: BTreeMap<u32, &Vec<f32>> =
        tensors.iter().map(|tensor| (tensor.input, &tensor.values)).collect();
    let mut outputs = Outputs::new();
    for inference in inferences.iter().filter(|inference| !inference.output_digest.is_empty()) {
        let Inference { index, input, output_digest, .. } = inference;
        let name = facts.inputs.get(*input as usize).cloned();
        let name = name.unwrap_or_else(|| input.to_string());
        match outputs.get(&name) {
            Some(before) if before.digest != *output_digest => {
                return Err(format!(
                    "inference {index} gave another output for input `{name}` than before"
                ));
            }
            Some(_) => {}
            None => {
                let values = values.get(input).map(|&values| values.clone());
                outputs.insert(name, Told { digest: output_digest.clone(), values });
            }
        }
    }
    Ok(outputs)
}

/// Compares what both tell: a program may decide anew how many inputs it takes.
fn agree(
    reference: &Reference,
    outputs: &Outputs,
    tolerance: f32,
) -> Result<Option<Agreement>, String> {
    let elsewhere = &reference.environment;
    if reference.outputs.is_empty() && outputs.is_empty() {
        return Ok(None);
    }
    let mut shared = outputs
        .iter()
        .filter_map(|(name, ours)| Some((name, ours, reference.outputs.get(name)?)))
        .peekable();
    if shared.peek().is_none() {
        return Err(format!("it tells outputs of other inputs than in {elsewhere}"));
    }
    let (mut identical, mut largest_difference) = (true, 0.0_f32);
    for (name, ours, theirs) in shared {
        if ours.digest == theirs.digest {
            continue;
        }
        identical = false;
        let difference = difference(ours, theirs).filter(|_| tolerance > 0.0);
        match difference {
            Some(difference) if difference <= tolerance => {
                largest_difference = largest_difference.max(difference);
            }
            Some(difference) => {
                return Err(format!(
                    "the output of input `{name}` differs by {difference} of its values from \
                     that in {elsewhere} (allowed {tolerance})"
                ));
            }
            None => {
                return Err(format!("the output of input `{name}` is another than in {elsewhere}"));
            }
        }
    }
    let reference = elsewhere.clone();
    Ok(Some(Agreement { reference, identical, largest_difference, tolerance }))
}

/// The largest relative difference of two outputs of numbers; `None` where they
/// cannot be compared as such.
fn difference(ours: &Told, theirs: &Told) -> Option<f32> {
    let (ours, theirs) = (ours.values.as_ref()?, theirs.values.as_ref()?);
    if ours.len() != theirs.len() {
        return None;
    }
    let relative = |(ours, theirs): (&f32, &f32)| (ours - theirs).abs() / theirs.abs().max(1.0);
    let largest = ours.iter().zip(theirs).map(relative).fold(0.0, f32::max);
    largest.is_finite().then_some(largest)
}

#[cfg(test)]
mod tests {
    use isolde_model::Phase;

    use super::*;

    /// One inference for each input and its output; a value stands for itself.
    type Launch<'a> = &'a [(u32, &'a str)];

    fn check(
        agreements: &mut ProgramAgreements,
        environment: &str,
        features: &str,
        launch: Launch<'_>,
    ) -> Result<Option<Agreement>, String> {
        let trial = Trial {
            index: 0,
            block: 0,
            position: 0,
            environment: EnvironmentName::new(environment),
            application: "own".into(),
            threads: 1,
        };
        let inferences: Vec<Inference> = (0..)
            .zip(launch)
            .map(|(index, &(input, output))| Inference {
                index,
                phase: Phase::Steady,
                input,
                prepare_ns: 0,
                infer_ns: 1,
                interpret_ns: 0,
                label: 0,
                output_digest: output.into(),
                tasks: Vec::new(),
            })
            .collect();
        let tensors: Vec<OutputTensor> = launch
            .iter()
            .filter_map(|&(input, output)| {
                Some(OutputTensor { input, values: vec![output.parse().ok()?] })
            })
            .collect();
        let inside =
            InsideFacts { features_digest: Some(features.into()), ..InsideFacts::default() };
        agreements.check(&trial, &inside, &ProgramFacts::default(), &inferences, &tensors)
    }

    #[test]
    fn the_same_features_must_tell_the_same() {
        let mut agreements = ProgramAgreements::default();
        check(&mut agreements, "a", "x", &[(0, "cat"), (1, "dog")]).unwrap();
        // Fewer inputs in another order, and one that is new.
        let same = check(&mut agreements, "b", "x", &[(1, "dog"), (7, "cow")]).unwrap().unwrap();
        assert!(same.identical);
        let reason = check(&mut agreements, "b", "x", &[(1, "cow")]).unwrap_err();
        assert!(reason.contains("input `1`") && reason.contains("in a"), "{reason}");
        let reason = check(&mut agreements, "b", "x", &[(9, "dog")]).unwrap_err();
        assert!(reason.contains("other inputs"), "{reason}");
        let reason = check(&mut agreements, "b", "x", &[]).unwrap_err();
        assert!(reason.contains("other inputs"), "{reason}");
        let reason = check(&mut agreements, "b", "x", &[(0, "cat"), (0, "cow")]).unwrap_err();
        assert!(reason.contains("than before"), "{reason}");
    }

    #[test]
    fn other_features_may_differ_in_numbers_alone() {
        let mut agreements = ProgramAgreements::default();
        check(&mut agreements, "a", "x", &[(0, "1000")]).unwrap();
        assert!(check(&mut agreements, "b", "x", &[(0, "1000.5")]).is_err());
        let near = check(&mut agreements, "c", "y", &[(0, "1000.5")]).unwrap().unwrap();
        assert!(!near.identical && near.largest_difference > 0.0 && near.tolerance > 0.0);
        let reason = check(&mut agreements, "d", "z", &[(0, "1002")]).unwrap_err();
        assert!(reason.contains("allowed"), "{reason}");
        assert!(check(&mut agreements, "d", "z", &[(0, "cat")]).is_err());
    }

    #[test]
    fn silence_is_no_agreement() {
        let mut agreements = ProgramAgreements::default();
        assert_eq!(check(&mut agreements, "a", "x", &[(0, "")]), Ok(None));
        assert_eq!(check(&mut agreements, "b", "y", &[(0, "")]), Ok(None));
        assert!(check(&mut agreements, "b", "x", &[(0, "cat")]).is_err());
    }
}
