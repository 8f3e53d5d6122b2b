//! Numbers of threads that an application is run with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One number of threads, or several to be swept: every environment then runs
/// every application with each of them. Written `1`, or `1,2,4`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ThreadCounts {
    /// The same for all trials.
    One(u32),
    /// Each in turn, in this order in reports.
    Sweep(Vec<u32>),
}

impl ThreadCounts {
    /// The counts in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(count) => std::slice::from_ref(count),
            Self::Sweep(counts) => counts,
        }
    }

    /// The largest count; 0 where there is none.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.as_slice().iter().copied().max().unwrap_or(0)
    }

    /// Whether there is more than one count.
    #[must_use]
    pub fn is_sweep(&self) -> bool {
        self.as_slice().len() > 1
    }
}

impl From<u32> for ThreadCounts {
    fn from(count: u32) -> Self {
        Self::One(count)
    }
}

impl From<Vec<u32>> for ThreadCounts {
    fn from(counts: Vec<u32>) -> Self {
        match counts[..] {
            [one] => Self::One(one),
            _ => Self::Sweep(counts),
        }
    }
}

/// Counts that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of threads: write one, such as 2, or several, such as 1,2,4")]
pub struct ThreadCountsError(String);

impl FromStr for ThreadCounts {
    type Err = ThreadCountsError;

    fn from_str(text: &str) -> Result<Self, ThreadCountsError> {
        let counts: Result<Vec<u32>, _> =
            text.split(',').map(|count| count.trim().parse()).collect();
        counts.map(Self::from).map_err(|_| ThreadCountsError(text.to_owned()))
    }
}

impl fmt::Display for ThreadCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self.as_slice().iter().map(ToString::to_string).collect();
        f.pad(&counts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_count_stays_a_number_and_several_a_list() {
        for (text, json) in [("2", "2"), ("1,2,4", "[1,2,4]")] {
            let counts: ThreadCounts = text.parse().unwrap();
            assert_eq!(counts.to_string(), text);
            assert_eq!(serde_json::to_string(&counts).unwrap(), json);
            assert_eq!(serde_json::from_str::<ThreadCounts>(json).unwrap(), counts);
        }
        assert_eq!("1, 4 ,2".parse::<ThreadCounts>().unwrap().most(), 4);
        for text in ["", "x", "1,,2", "-1", "1-4"] {
            assert!(text.parse::<ThreadCounts>().is_err(), "{text}");
        }
    }
}
