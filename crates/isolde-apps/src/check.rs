//! Whether an application gives what it must on this machine.

use std::collections::BTreeMap;
use std::path::Path;

use crate::catalogue::{Choice, Size};
use crate::sample::spread;
use crate::{AppError, Application, Threads, answer};

/// Most values of one output that are compared with another engine's.
const COMPARED_VALUES: usize = 64;
/// Inputs that a network of reference size is tried on: its weights mean nothing, so
/// more would tell nothing more.
const REFERENCE_INPUTS: u32 = 2;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checked {
    /// Inputs that were run.
    pub inputs: u32,
    /// Inputs with the number that they must give; `None` in reference size, where
    /// numbers mean nothing.
    pub labels_right: Option<u32>,
    /// Output values that were compared with those of another engine.
    pub values: u32,
    /// Largest absolute difference of any of them; `None` where none was compared.
    pub largest_difference: Option<f32>,
    /// Largest absolute difference that is allowed.
    pub tolerance: f32,
    /// What is wrong, in words; empty where all is right.
    pub problems: Vec<String>,
}

/// Runs the application over its bundled inputs. In compact size every input must give
/// its number and output values within the tolerance of what another engine gave; in
/// reference size outputs must have the right shapes and be finite, on the first two
/// inputs. `networks` is the folder with networks of reference size.
///
/// # Errors
/// That it cannot be loaded or run, or that an output is no finite number.
pub fn check(choice: &Choice, networks: &Path, threads: &Threads) -> Result<Checked, AppError> {
    let mut application = choice.load(networks, threads)?;
    threads.run(|| match choice.size {
        Size::Compact => check_compact(choice, &mut *application),
        Size::Reference => check_reference(choice, &mut *application),
    })
}

fn check_reference(
    choice: &Choice,
    application: &mut dyn Application,
) -> Result<Checked, AppError> {
    let inputs = REFERENCE_INPUTS.min((choice.description.inputs)());
    for input in 0..inputs {
        answer(application, input)?;
    }
    Ok(Checked { inputs, ..Checked::default() })
}

fn check_compact(choice: &Choice, application: &mut dyn Application) -> Result<Checked, AppError> {
    let description = choice.description;
    let expected = expected_outputs(description.expected_outputs);
    let mut checked = Checked { tolerance: description.output_tolerance, ..Checked::default() };
    let mut right = 0;
    for (input, (name, label)) in (0..).zip(description.bundled.labels()) {
        let found = answer(application, input)?;
        if found == label {
            right += 1;
        } else {
            checked.problems.push(format!("{name} gives {found}, not {label}"));
        }
        checked.inputs += 1;
        let found = spread(application.output(), COMPARED_VALUES);
        let expected = expected.get(name).map_or(&[][..], Vec::as_slice);
        compare(&mut checked, name, &found, expected);
    }
    checked.labels_right = Some(right);
    Ok(checked)
}

fn compare(checked: &mut Checked, name: &str, found: &[f32], expected: &[f32]) {
    if found.len() != expected.len() {
        let (found, expected) = (found.len(), expected.len());
        checked.problems.push(format!("{name} gives {found} values, and {expected} are expected"));
        return;
    }
    let differences = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
    let largest = differences.fold(0.0, f32::max);
    if largest > checked.tolerance {
        checked.problems.push(format!("{name} differs by {largest} from another engine"));
    }
    checked.values += u32::try_from(found.len()).unwrap_or(u32::MAX);
    checked.largest_difference =
        Some(checked.largest_difference.map_or(largest, |d| d.max(largest)));
}

/// Values by input name. What is not there is found missing by the comparison.
fn expected_outputs(json: &str) -> BTreeMap<String, Vec<f32>> {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::all;

    fn compact() -> impl Iterator<Item = Choice> {
        all().iter().map(|description| Choice { description, size: Size::Compact })
    }

    #[test]
    fn every_application_gives_what_another_engine_gives() {
        for choice in compact() {
            let checked = check(&choice, Path::new(""), &Threads::new(1)).unwrap();
            assert_eq!(checked.problems, Vec::<String>::new(), "{choice}: {checked:?}");
            assert_eq!(checked.labels_right, Some((choice.description.inputs)()));
            assert!(checked.inputs >= 8 && checked.values >= checked.inputs, "{choice}");
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        for choice in compact() {
            let outputs = [1, 2].map(|count| {
                let mut application = choice.load(Path::new(""), &Threads::new(count)).unwrap();
                let inputs = 0..(choice.description.inputs)();
                inputs
                    .map(|input| {
                        answer(&mut *application, input).unwrap();
                        application.output().to_vec()
                    })
                    .collect::<Vec<_>>()
            });
            assert!(outputs[0] == outputs[1], "{choice}");
        }
    }

    #[test]
    fn what_differs_is_told_by_the_input_s_name() {
        let mut checked = Checked { tolerance: 0.1, ..Checked::default() };
        compare(&mut checked, "near", &[1.0, 2.0], &[1.05, 2.0]);
        assert_eq!((checked.values, checked.problems.len()), (2, 0));
        compare(&mut checked, "far", &[1.0], &[1.5]);
        compare(&mut checked, "short", &[1.0], &[]);
        let problems = checked.problems.join("\n");
        assert_eq!(checked.largest_difference, Some(0.5));
        assert!(problems.contains("far differs by 0.5") && problems.contains("short gives 1"));
    }

    #[test]
    fn a_reference_network_that_is_another_or_absent_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| format!("{name}:reference").parse::<Choice>().unwrap();
        let refused = |name: &str| {
            let error = check(&of(name), folder.path(), &Threads::new(1)).unwrap_err();
            format!("{error}: {:?}", std::error::Error::source(&error))
        };
        assert!(refused("traffic-light").contains("traffic-light.onnx"));
        let road_sign = all().iter().find(|known| known.name == "road-sign").unwrap();
        let network = road_sign.compact_network().unwrap();
        std::fs::write(folder.path().join("traffic-light.onnx"), network).unwrap();
        let wrong = refused("traffic-light");
        assert!(
            wrong.contains("[[1, 3, 299, 299]]") && wrong.contains("[[1, 1, 32, 32]]"),
            "{wrong}"
        );
        std::fs::write(folder.path().join("road-sign.onnx"), network).unwrap();
        let checked = check(&of("road-sign"), folder.path(), &Threads::new(1)).unwrap();
        assert_eq!((checked.inputs, checked.labels_right), (2, None));
        std::fs::write(folder.path().join("road-sign.onnx"), b"no network").unwrap();
        assert!(refused("road-sign").contains("road-sign.onnx"));
    }
}
