//! Sizes and durations as people write them: `512M`, `4G`, `50ms`, `2m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A size or duration that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct UnitError {
    text: String,
    expected: &'static str,
}

const SIZE_HELP: &str = "a size: write a whole number with K, M, G or T (binary), such as 512M";
const SPAN_HELP: &str = "a duration: write a number with ms, s, m or h, such as 50ms or 2m";

/// An amount of memory or storage in bytes. Suffixes are binary: `1K` = 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// So many mebibytes.
    #[must_use]
    pub const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Rounded down to whole mebibytes.
    #[must_use]
    pub const fn whole_mebibytes(self) -> u64 {
        self.0 >> 20
    }
}

const SIZE_SUFFIXES: [(&str, u64); 5] =
    [("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10), ("", 1)];

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { text: text.to_owned(), expected: SIZE_HELP };
        let upper = text.trim().to_ascii_uppercase();
        let bare = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B')).unwrap_or(&upper);
        let (suffix, factor) =
            SIZE_SUFFIXES.iter().find(|(suffix, _)| bare.ends_with(suffix)).ok_or_else(error)?;
        let digits = bare[..bare.len() - suffix.len()].trim_end();
        let count: u64 = digits.parse().map_err(|_| error())?;
        count.checked_mul(*factor).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suffix, factor) = SIZE_SUFFIXES
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(&("", 1));
        write!(f, "{}{suffix}", self.0 / factor)
    }
}

/// A duration with the units of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

const SPAN_SUFFIXES: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { text: text.to_owned(), expected: SPAN_HELP };
        let bare = text.trim();
        let (suffix, factor) =
            SPAN_SUFFIXES.iter().find(|(suffix, _)| bare.ends_with(suffix)).ok_or_else(error)?;
        let number: f64 =
            bare[..bare.len() - suffix.len()].trim_end().parse().map_err(|_| error())?;
        // Whole milliseconds: finer durations are not exact in a float, and no
        // deadline needs them.
        let millis = (number * factor * 1e3).round();
        if !(0.0..9e15).contains(&millis) {
            return Err(error());
        }
        Ok(Self(Duration::from_millis(millis as u64)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let (suffix, unit) = [("h", 3_600_000), ("m", 60_000), ("s", 1000)]
            .into_iter()
            .find(|(_, unit)| millis >= *unit && millis.is_multiple_of(*unit))
            .unwrap_or(("ms", 1));
        write!(f, "{}{suffix}", millis / unit)
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(ByteSize);
serde_as_text!(Span);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("512M", 512 << 20), ("4g", 4 << 30), ("64KiB", 65536), ("17", 17)] {
            assert_eq!(text.parse::<ByteSize>().unwrap(), ByteSize(bytes), "{text}");
        }
        for text in ["", "M", "-1M", "1.5G", "12X", "99999999999T"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, millis) in [("50ms", 50), ("2m", 120_000), ("1.5s", 1500), ("1h", 3_600_000)] {
            assert_eq!(text.parse::<Span>().unwrap().0.as_millis(), millis, "{text}");
        }
        for text in ["", "5", "-1s", "NaNs", "1e400h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn sizes_round_trip(bytes: u64) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }

        #[test]
        fn spans_round_trip(millis in 0u64..1 << 40) {
            let span = Span(Duration::from_millis(millis));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
