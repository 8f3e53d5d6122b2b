//! How the outputs of environments agreed, in words.

use isolde_model::{Agreement, TrialRecord};

use crate::figures::Row;
use crate::printable;

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

/// The environment whose outputs all these launches gave.
pub(crate) fn equals<'a>(records: impl Iterator<Item = &'a TrialRecord>) -> Option<String> {
    let mut references = Vec::new();
    for agreement in records.filter_map(|record| record.agreement.as_ref()) {
        if !agreement.identical {
            return None;
        }
        references.push(&agreement.reference);
    }
    // Launches before the reference's first have none but themselves.
    references.last().map(ToString::to_string)
}

/// Environments with equal outputs, and what is said of the one that the others equal.
struct Class<'a> {
    leader: &'a str,
    names: Vec<String>,
    differs: Option<&'a str>,
    /// What is said of those that equal the leader.
    alike: Option<&'a str>,
}

/// One line for each thing said, with the environments of which it is said.
pub(crate) fn notes(rows: &[&Row]) -> Vec<String> {
    let mut classes: Vec<Class<'_>> = Vec::new();
    for row in rows {
        let Some(text) = row.agreement.as_deref() else { continue };
        let leader = row.equals.as_deref().unwrap_or(&row.environment);
        let class = match classes.iter_mut().position(|class| class.leader == leader) {
            Some(found) => &mut classes[found],
            None => {
                classes.push(Class { leader, names: Vec::new(), differs: None, alike: None });
                let last = classes.len() - 1;
                &mut classes[last]
            }
        };
        class.names.push(printable(&row.environment));
        match row.equals {
            Some(_) => class.alike = Some(text),
            None => class.differs = Some(text),
        }
    }
    let lines = classes.iter().flat_map(|class| {
        let names = class.names.join(", ");
        let line = move |text: &str| format!("{names}: {}", printable(text));
        [class.alike, class.differs].into_iter().flatten().map(line)
    });
    lines.collect()
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
                threads: 1,
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
            tasks: Vec::new(),
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
