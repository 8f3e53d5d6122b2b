//! The sandbox's clock against the host's.

use std::time::{Duration, Instant};

/// What the sandbox's clock said, and when the host heard of it.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    first: Option<(Duration, Instant)>,
    last: Option<(Duration, Instant)>,
}

/// The two may differ by a twentieth: a clock that is wrong was seen to be so by
/// factors, while one that is merely not disciplined is wrong by millionths.
const TOLERATED_SHARE: u32 = 20;

/// And by this, for that a message is under way and the host busy.
const TOLERATED: Duration = Duration::from_millis(100);

impl Clocks {
    /// The sandbox told its clock.
    pub(crate) fn told(&mut self, ns: u64, heard: Instant) {
        let stamp = Some((Duration::from_nanos(ns), heard));
        match self.first {
            None => self.first = stamp,
            Some(_) => self.last = stamp,
        }
    }

    /// Why the sandbox's clock does not go as the host's does.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (Some((from, heard_from)), Some((to, heard_to))) = (self.first, self.last) else {
            return Ok(());
        };
        let here = heard_to.saturating_duration_since(heard_from);
        let Some(there) = to.checked_sub(from) else {
            return Err("the clock inside went backwards".into());
        };
        if there.abs_diff(here) <= TOLERATED + here / TOLERATED_SHARE {
            return Ok(());
        }
        let (there, here) = (there.as_millis(), here.as_millis());
        Err(format!("the clock inside went {there} ms while the host's went {here} ms"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(there_ms: i64, here_ms: u64) -> Result<(), String> {
        let start = Instant::now();
        let mut clocks = Clocks::default();
        let at = 50_000_000_000u64;
        clocks.told(at, start);
        let there = at.saturating_add_signed(there_ms * 1_000_000);
        clocks.told(there, start + Duration::from_millis(here_ms));
        clocks.check()
    }

    #[test]
    fn a_clock_of_its_own_speed_is_told() {
        assert_eq!(check(10_000, 10_000), Ok(()));
        assert_eq!(check(9_500, 10_000), Ok(()));
        assert_eq!(check(0, 90), Ok(()));
        assert!(check(3_300, 10_000).unwrap_err().contains("3300 ms"));
        assert!(check(10_000, 3_300).is_err());
        assert!(check(-1, 0).unwrap_err().contains("backwards"));
    }

    #[test]
    fn a_clock_that_was_told_once_says_nothing() {
        let mut clocks = Clocks::default();
        assert_eq!(clocks.check(), Ok(()));
        clocks.told(1, Instant::now());
        assert_eq!(clocks.check(), Ok(()));
    }
}
