//! Units by magnitude, the same down a column.

/// A unit of a column and how many decimals it is shown with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) unit: &'static str,
    divisor: f64,
    decimals: usize,
}

impl Scale {
    /// For durations in nanoseconds: the unit in which the smallest of them is
    /// 1 or more, so that no environment loses its digits to a slower one.
    pub(crate) fn of_nanoseconds(values: impl IntoIterator<Item = f64>) -> Self {
        let least = least_positive(values);
        let (unit, divisor) = match least {
            least if least < 1e3 => ("ns", 1.0),
            least if least < 1e6 => ("µs", 1e3),
            least if least < 1e9 => ("ms", 1e6),
            _ => ("s", 1e9),
        };
        Self { unit, divisor, decimals: decimals(least / divisor) }
    }

    /// For amounts of memory in bytes, always in MiB: limits are given in it.
    pub(crate) fn of_bytes(values: impl IntoIterator<Item = f64>) -> Self {
        let divisor = f64::from(1 << 20);
        Self { unit: "MiB", divisor, decimals: decimals(least_positive(values) / divisor).min(1) }
    }

    /// The same unit with the digits that these values need: a spread is far
    /// smaller than what it is the spread of.
    pub(crate) fn with_digits_for(self, values: impl IntoIterator<Item = f64>) -> Self {
        Self { decimals: decimals(least_positive(values) / self.divisor), ..self }
    }

    /// The value in this unit, without the unit.
    pub(crate) fn show(self, value: f64) -> String {
        format!("{:.*}", self.decimals, value / self.divisor)
    }
}

fn least_positive(values: impl IntoIterator<Item = f64>) -> f64 {
    let least = values.into_iter().filter(|&value| value > 0.0).fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { 1.0 }
}

/// Three digits of the smallest value from 1 on, two decimals below.
const fn decimals(least: f64) -> usize {
    match least {
        least if least >= 100.0 => 0,
        least if least >= 10.0 => 1,
        _ => 2,
    }
}

/// A ratio with enough digits to see one in a thousand near 1, fewer far from it.
pub(crate) fn ratio(value: f64) -> String {
    if value < 10.0 { format!("{value:.3}") } else { format!("{value:.1}") }
}

/// Bytes of a whole device, such as `7.6 GiB`.
pub(crate) fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_value_chooses_the_unit_and_keeps_three_digits() {
        let scale = Scale::of_nanoseconds([37_123.0, 3_456_789.0]);
        assert_eq!((scale.unit, scale.show(37_123.0)), ("µs", "37.1".into()));
        assert_eq!(scale.show(3_456_789.0), "3456.8");
        let scale = Scale::of_nanoseconds([8.1e6]);
        assert_eq!((scale.unit, scale.show(8.1234e6)), ("ms", "8.12".into()));
        assert_eq!(Scale::of_nanoseconds([2e9, 5e11]).unit, "s");
        assert_eq!(Scale::of_nanoseconds([999.0]).unit, "ns");
    }

    #[test]
    fn a_column_of_nothing_has_a_unit_all_the_same() {
        assert_eq!(Scale::of_nanoseconds([0.0]).show(0.0), "0.00");
        assert_eq!(Scale::of_bytes([]).unit, "MiB");
    }
}
