//! Time of one iteration of a loop that may be a thousand times slower than
//! hoped for.

use std::time::{Duration, Instant};

use super::guest::Stop;

/// Counts begin here: so short that even an interpreted loop ends soon.
const FIRST_COUNT: u32 = 1000;
/// Counts end here: on the CPU itself a fraction of a millisecond.
const LAST_COUNT: u32 = 1_000_000;
/// A loop that takes this long is long enough to be timed.
const LONG_ENOUGH: Duration = Duration::from_millis(5);
/// Timings of the same count: the shortest counts, because whatever disturbs a
/// loop only makes it longer.
const REPETITIONS: usize = 5;
/// No repetition begins after this time.
const BUDGET: Duration = Duration::from_millis(100);

/// Picoseconds per iteration, by the difference between a long and the shortest
/// run, so that what each run costs once (entering a guest, two exits) cancels.
pub(super) fn picoseconds_per_iteration(
    mut run: impl FnMut(u32) -> Result<Duration, Stop>,
) -> Result<u64, Stop> {
    let mut count = FIRST_COUNT;
    while run(count)? < LONG_ENOUGH && count < LAST_COUNT {
        count *= 10;
    }
    let long = shortest(|| run(count))?;
    let once = shortest(|| run(1))?;
    let nanoseconds = long.saturating_sub(once).as_nanos();
    let picoseconds = nanoseconds.saturating_mul(1000) / u128::from(count - 1);
    Ok(u64::try_from(picoseconds).unwrap_or(u64::MAX))
}

fn shortest(mut run: impl FnMut() -> Result<Duration, Stop>) -> Result<Duration, Stop> {
    let begun = Instant::now();
    let mut shortest = run()?;
    for _ in 1..REPETITIONS {
        if begun.elapsed() >= BUDGET {
            break;
        }
        shortest = shortest.min(run()?);
    }
    Ok(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loop of `picoseconds` per iteration that costs `once` on top.
    fn modelled(picoseconds: u64, once: Duration) -> u64 {
        let time = |count: u32| once + Duration::from_nanos(u64::from(count) * picoseconds / 1000);
        picoseconds_per_iteration(|count| Ok(time(count))).unwrap()
    }

    #[test]
    fn what_is_paid_once_per_run_cancels() {
        for picoseconds in [400, 2_000_000, 90_000_000] {
            for once in [Duration::ZERO, Duration::from_micros(300)] {
                let measured = modelled(picoseconds, once);
                assert!(measured.abs_diff(picoseconds) * 100 <= picoseconds, "{measured}");
            }
        }
    }

    #[test]
    fn a_slow_loop_is_not_run_often() {
        let mut iterations = 0;
        let slow = picoseconds_per_iteration(|count| {
            iterations += count;
            Ok(Duration::from_micros(100) * count)
        });
        assert_eq!(slow, Ok(100_000_000));
        assert!(iterations <= FIRST_COUNT * 7, "{iterations}");
    }

    #[test]
    fn a_stop_is_passed_on() {
        assert_eq!(picoseconds_per_iteration(|_| Err(Stop::TimedOut)), Err(Stop::TimedOut));
    }
}
