//! Equal outputs: against the labels that the inputs must get, against the
//! launch's own digests, and against the other environments.

use std::collections::BTreeMap;

use isolde_agent::output_digest;
use isolde_model::{
    Agreement, EnvironmentName, Inference, InsideFacts, OutputTensor, Phase, Plan, Trial,
};

use super::expectation::{Expectation, Tolerance};

/// The outputs that later launches of an application are compared with.
#[derive(Debug)]
struct Reference {
    environment: EnvironmentName,
    outputs: BTreeMap<u32, Output>,
}

/// The output of one input.
#[derive(Debug, Clone)]
struct Output {
    /// Its values, or a sample of them where there are very many.
    values: Vec<f32>,
    /// Digest of all its values; empty until an inference told it.
    digest: String,
}

/// References so far: for each application with each number of threads the first
/// launch's, and the first of each set of CPU features.
#[derive(Debug, Default)]
pub(crate) struct Agreements {
    first: BTreeMap<(String, u32), Reference>,
    same_features: BTreeMap<(String, u32, String), Reference>,
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
        let expectation = Expectation::of(plan, &trial.application)?;
        let mut outputs = index_outputs(outputs, expectation.kept_values)?;
        check_inferences(plan, &expectation, inferences, &mut outputs)?;
        self.compare(trial, facts, expectation.tolerance, outputs)
    }

    fn compare(
        &mut self,
        trial: &Trial,
        facts: &InsideFacts,
        tolerance: Tolerance,
        outputs: BTreeMap<u32, Output>,
    ) -> Result<Agreement, String> {
        let reference = |outputs| Reference { environment: trial.environment.clone(), outputs };
        // Where the features cannot be read, nothing says that they are the same.
        let features =
            facts.features_digest.clone().unwrap_or_else(|| trial.environment.to_string());
        // Other threads may sum in another order.
        let cell = (trial.application.clone(), trial.threads);
        let key = (cell.0.clone(), cell.1, features);
        if let Some(same) = self.same_features.get(&key) {
            return agree(same, &outputs, None);
        }
        let agreement = match self.first.get(&cell) {
            Some(first) => agree(first, &outputs, Some(tolerance))?,
            None => {
                let first = reference(outputs.clone());
                let agreement = agree(&first, &outputs, None)?;
                self.first.insert(cell, first);
                agreement
            }
        };
        self.same_features.insert(key, reference(outputs));
        Ok(agreement)
    }
}

/// Outputs by input, each with its digest where all its values are here.
fn index_outputs(
    outputs: &[OutputTensor],
    kept_values: usize,
) -> Result<BTreeMap<u32, Output>, String> {
    let mut indexed = BTreeMap::new();
    for OutputTensor { input, values } in outputs {
        let whole = values.len() < kept_values;
        let digest = if whole { output_digest(values) } else { String::new() };
        let output = Output { values: values.clone(), digest };
        if indexed.insert(*input, output).is_some() {
            return Err(format!("the output of input {input} came twice"));
        }
    }
    Ok(indexed)
}

/// Every planned inference once, in order, with the label its input must get
/// and the digest of the output that was sent for its input. The first digest
/// of an output that was not sent whole must be that of all others.
fn check_inferences(
    plan: &Plan,
    expectation: &Expectation,
    inferences: &[Inference],
    outputs: &mut BTreeMap<u32, Output>,
) -> Result<(), String> {
    let planned = plan.warm_up as usize + plan.inferences as usize;
    if inferences.len() != planned {
        return Err(format!("{planned} inferences were asked for, {} came", inferences.len()));
    }
    for (position, inference) in (0..).zip(inferences) {
        let Inference { index, input, label, phase, output_digest, .. } = inference;
        let warm = if position < plan.warm_up { Phase::WarmUp } else { Phase::Steady };
        if (*index, *phase) != (position, warm) {
            return Err(format!("inference {position} is missing or out of order"));
        }
        if *input >= expectation.inputs {
            return Err(format!("inference {index} used input {input}, which does not exist"));
        }
        let expected = expectation.labels.as_ref().and_then(|labels| labels.get(*input as usize));
        if let Some(expected) = expected.filter(|expected| *expected != label) {
            return Err(format!("input {input} is of class {expected}, it said {label}"));
        }
        let output = outputs
            .get_mut(input)
            .ok_or_else(|| format!("the output of input {input} is missing"))?;
        if output.digest.is_empty() {
            output.digest.clone_from(output_digest);
        }
        if output.digest != *output_digest {
            return Err(format!(
                "inference {index} gave another output for input {input} than before"
            ));
        }
    }
    Ok(())
}

/// Compares with the reference; without a tolerance every bit must be the same.
fn agree(
    reference: &Reference,
    outputs: &BTreeMap<u32, Output>,
    tolerance: Option<Tolerance>,
) -> Result<Agreement, String> {
    let environment = &reference.environment;
    if !reference.outputs.keys().eq(outputs.keys()) {
        return Err(format!("other inputs were used than in {environment}"));
    }
    let mut largest_difference: f32 = 0.0;
    let mut largest_allowed: f32 = 0.0;
    let mut identical = true;
    for ((input, ours), theirs) in outputs.iter().zip(reference.outputs.values()) {
        if theirs.values.len() != ours.values.len() {
            return Err(format!(
                "the output of input {input} has {} values, not {} as in {environment}",
                ours.values.len(),
                theirs.values.len()
            ));
        }
        let allowed = tolerance.map_or(0.0, |tolerance| tolerance.of(&theirs.values));
        largest_allowed = largest_allowed.max(allowed);
        for (ours, theirs) in ours.values.iter().zip(&theirs.values) {
            let difference = (ours - theirs).abs();
            identical &= ours.to_bits() == theirs.to_bits();
            if difference.is_nan() || difference > allowed {
                return Err(format!(
                    "an output of input {input} is {ours}, in {environment} it was {theirs} (allowed difference {allowed})"
                ));
            }
            largest_difference = largest_difference.max(difference);
        }
        identical &= ours.digest == theirs.digest;
    }
    if tolerance.is_none() && !identical {
        return Err(format!(
            "a value that was not sent, or the sign of a zero, differs from {environment}"
        ));
    }
    Ok(Agreement {
        reference: environment.clone(),
        identical,
        largest_difference,
        tolerance: largest_allowed,
    })
}

#[cfg(test)]
#[path = "agreement_tests.rs"]
mod tests;
