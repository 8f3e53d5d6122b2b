//! What an application's outputs must be, as far as that is known beforehand.

use isolde_apps::{Choice, ChoiceError, Size, kept_values};
use isolde_model::{Plan, Source};

/// What an application's outputs must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expectation {
    /// Number of inputs.
    pub(crate) inputs: u32,
    /// The label that each input must get; `None` where nobody knows.
    pub(crate) labels: Option<Vec<u32>>,
    /// What different CPUs may change.
    pub(crate) tolerance: Tolerance,
    /// An output of so many values may be a sample of a longer one.
    pub(crate) kept_values: usize,
}

/// Largest absolute difference of an output value between different CPUs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Tolerance {
    /// The same for all values.
    Absolute(f32),
    /// This part of the largest magnitude in the output, where nothing else is
    /// known of its values.
    OfLargest(f32),
}

/// An `f32` is rounded by at most 2^-24 of itself. This leaves room for some ten
/// thousand roundings to the same side, far more than another order of a
/// network's sums makes, and shows a wrong kernel or picture.
const UNKNOWN_SCALE: Tolerance = Tolerance::OfLargest(1e-3);

impl Expectation {
    /// What the plan's `application` must give.
    ///
    /// # Errors
    /// That there is no such application.
    pub(crate) fn of(plan: &Plan, application: &str) -> Result<Self, String> {
        if let Some(Source::Model(model)) = plan.sources.get(application) {
            return Ok(Self {
                inputs: model.count,
                labels: None,
                tolerance: UNKNOWN_SCALE,
                kept_values: kept_values(model.count),
            });
        }
        let choice: Choice = application.parse().map_err(|error: ChoiceError| error.to_string())?;
        let inputs = (choice.description.inputs)();
        Ok(Self {
            inputs,
            labels: choice.expected_labels(),
            tolerance: match choice.size {
                Size::Compact => Tolerance::Absolute(choice.description.output_tolerance),
                Size::Reference => UNKNOWN_SCALE,
            },
            kept_values: kept_values(inputs),
        })
    }
}

impl Tolerance {
    /// The difference that is allowed to an output with these values.
    pub(crate) fn of(self, values: &[f32]) -> f32 {
        match self {
            Self::Absolute(difference) => difference,
            Self::OfLargest(part) => {
                part * values.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()))
            }
        }
    }
}
