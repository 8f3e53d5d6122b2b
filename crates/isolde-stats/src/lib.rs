//! Pure functions over slices, with an explicit seed where chance enters. No
//! files, no clocks.
//!
//! What cannot be told from the samples is an [`Untold`] with its reason, never
//! a number that stands for one: no NaN or infinity leaves this crate.

mod moments;
mod quantile;
mod ratio;
mod untold;

pub use moments::{mean, sample_sd};
pub use quantile::{median, quantile, quantile_supported, samples_needed, tail_quantile};
pub use ratio::{Interval, LEAST_BLOCKS, Pair, RESAMPLES, Ratio, ratio_of_medians};
pub use untold::Untold;
