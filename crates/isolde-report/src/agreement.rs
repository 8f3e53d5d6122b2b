//! How the outputs of environments agreed, in words.

use isolde_model::{Agreement, TrialRecord};

use crate::printable;
use crate::summary::Row;

/// What the completed launches of one environment say together; `None` where
/// outputs were not compared. Labels are checked where it is known what they
/// must be.
pub(crate) fn in_words<'a>(
    records: impl Iterator<Item = &'a TrialRecord>,
    are_labels_known: bool,
) -> Option<String> {
    let mut is_program = false;
    let agreements: Vec<&Agreement> = records
        .inspect(|record| is_program |= record.program.is_some())
        .filter_map(|record| record.agreement.as_ref())
        .collect();
    let loosest =
        agreements.iter().max_by(|a, b| a.largest_difference.total_cmp(&b.largest_difference))?;
    if agreements.iter().all(|agreement| agreement.identical) {
        let what = if is_program { "outputs that it tells" } else { "outputs" };
        let how = if is_program { "to the last digit" } else { "bit for bit" };
        return Some(format!("{what} identical, {how}"));
    }
    let Agreement { reference, largest_difference, tolerance, .. } = loosest;
    if is_program {
        return Some(format!(
            "numbers that it tells differ from {reference} by at most {largest_difference:.1e} of \
             their size (allowed: {tolerance:.0e}), since its CPU features differ"
        ));
    }
    let labels = if are_labels_known { "same labels; " } else { "" };
    Some(format!(
        "{labels}outputs differ from {reference} by at most {largest_difference:.1e} \
         (allowed: {tolerance:.0e}), since its CPU features differ"
    ))
}

/// One line for each thing said, with the environments of which it is said.
pub(crate) fn notes(rows: &[&Row]) -> Vec<String> {
    let mut said: Vec<(&str, Vec<String>)> = Vec::new();
    for row in rows {
        let Some(text) = row.agreement.as_deref() else { continue };
        let name = printable(&row.environment);
        match said.iter_mut().find(|(other, _)| *other == text) {
            Some((_, names)) => names.push(name),
            None => said.push((text, vec![name])),
        }
    }
    said.into_iter()
        .map(|(text, names)| format!("{}: {}", names.join(", "), printable(text)))
        .collect()
}

#[cfg(test)]
mod tests {
    use isolde_model::{EnvironmentName, Outcome, Trial};

    use super::*;

    fn record(identical: bool, largest_difference: f32, tolerance: f32) -> TrialRecord {
        TrialRecord {
            trial: Trial {
                index: 0,
                block: 0,
                position: 0,
                environment: EnvironmentName::new("vm"),
                application: "road-sign".into(),
            },
            outcome: Outcome::Completed,
            emulated: false,
            marks: Vec::new(),
            reading: None,
            inside: None,
            agreement: Some(Agreement {
                reference: EnvironmentName::new("process"),
                identical,
                largest_difference,
                tolerance,
            }),
            leaks: Vec::new(),
            console_tail: None,
            program: None,
        }
    }

    #[test]
    fn one_launch_that_differs_decides() {
        let same = [record(true, 0.0, 0.0), record(true, 0.0, 0.0)];
        assert_eq!(in_words(same.iter(), true).unwrap(), "outputs identical, bit for bit");
        let mixed = [record(true, 0.0, 0.0), record(false, 3.1e-5, 1e-2)];
        let words = in_words(mixed.iter(), true).unwrap();
        assert!(words.contains("3.1e-5") && words.contains("1e-2"), "{words}");
        assert!(words.starts_with("same labels"), "{words}");
        assert!(!in_words(mixed.iter(), false).unwrap().contains("labels"));
        assert_eq!(in_words([].iter(), true), None);
    }
}
