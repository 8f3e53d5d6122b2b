//! What the lines of a program add up to.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use isolde_model::{Inference, OutputTensor, Phase, Timing};

use super::contract::Sample;
use super::inputs::Names;

/// Inferences of one program that are kept.
pub(super) const MOST_INFERENCES: u32 = 1_000_000;
/// Values of its outputs that are kept, in all: 4 MiB. Beyond them only the
/// digests are compared.
const MOST_VALUES: usize = 1 << 20;
/// What a told duration may exceed the time since the start by, for clocks
/// that differ.
const SLACK: Duration = Duration::from_millis(1);

/// Inferences and outputs so far.
pub(super) struct Tally {
    warm_up: u32,
    started: Instant,
    /// When the last line of the contract came.
    last: Instant,
    count: u32,
    /// Places in the batch of what came at the last look and is to be timed by
    /// the agent's clock.
    unsettled: Vec<usize>,
    /// A line of the contract came at an earlier look, so that there is a time
    /// to count from.
    begun: bool,
    /// An inference came at this look.
    fresh: bool,
    /// Inferences in the steady part.
    steady: u32,
    /// Inferences that came with others and share their time.
    together: u32,
    /// Inferences whose time cannot be told from the program's start.
    untimed: u32,
    /// Inferences not yet sent.
    batch: Vec<Inference>,
    outputs: Vec<OutputTensor>,
    values: usize,
    seen: BTreeSet<u32>,
    names: Names,
    with_output: u32,
    told: u32,
    ready: bool,
}

impl Tally {
    pub(super) fn new(warm_up: u32, started: Instant) -> Self {
        Self {
            warm_up,
            started,
            last: started,
            count: 0,
            unsettled: Vec::new(),
            begun: false,
            fresh: false,
            steady: 0,
            together: 0,
            untimed: 0,
            batch: Vec::new(),
            outputs: Vec::new(),
            values: 0,
            seen: BTreeSet::new(),
            names: Names::default(),
            with_output: 0,
            told: 0,
            ready: false,
        }
    }

    /// The sign of readiness came.
    pub(super) fn be_ready(&mut self, arrived: Instant) {
        self.ready = true;
        self.begun = false;
        self.last = arrived;
    }

    /// An inference came.
    ///
    /// # Errors
    /// How it breaks the contract.
    pub(super) fn add(&mut self, sample: Sample, arrived: Instant) -> Result<(), String> {
        if self.count >= MOST_INFERENCES {
            return Err(format!("it is one of more than {MOST_INFERENCES} inferences"));
        }
        let running = (arrived - self.started) + SLACK;
        if let Some(told) = sample.duration_ns.map(Duration::from_nanos)
            && told > running
        {
            return Err(format!(
                "it tells of {told:?}, but the program has run for no more than {running:?}"
            ));
        }
        let warm = self.count < self.warm_up;
        let index = self.count;
        let input = self.names.place(sample.input, index)?;
        let output_digest = sample.output.as_ref().map(|output| output.digest.clone());
        self.count += 1;
        self.fresh = true;
        match sample.duration_ns {
            Some(_) => self.told += 1,
            None => self.unsettled.push(self.batch.len()),
        }
        self.steady += u32::from(!warm);
        if let Some(output) = sample.output {
            self.with_output += 1;
            if self.seen.insert(input) {
                self.keep(input, output.values);
            }
        }
        self.batch.push(Inference {
            index,
            phase: if warm { Phase::WarmUp } else { Phase::Steady },
            input,
            prepare_ns: 0,
            infer_ns: sample.duration_ns.unwrap_or(0),
            interpret_ns: 0,
            label: 0,
            output_digest: output_digest.unwrap_or_default(),
            tasks: Vec::new(),
        });
        Ok(())
    }

    /// Everything that came at one look at `arrived` was added: what is timed by
    /// the agent's clock shares the time since the line before evenly. That time
    /// holds the program's start, and so tells nothing, unless a line came at an
    /// earlier look.
    pub(super) fn settle(&mut self, arrived: Instant) {
        let (share, begun) = (self.unsettled.len(), self.begun);
        self.begun = self.count > 0 || self.ready;
        let since = arrived.saturating_duration_since(self.last);
        if std::mem::take(&mut self.fresh) {
            self.last = arrived;
        }
        for place in self.unsettled.drain(..) {
            let Some(inference) = self.batch.get_mut(place) else { continue };
            inference.infer_ns = nanoseconds(since) / share as u64;
            if !begun {
                self.untimed += 1;
                self.steady -= u32::from(inference.phase == Phase::Steady);
                inference.phase = Phase::WarmUp;
            } else if share > 1 {
                self.together += 1;
            }
        }
    }

    fn keep(&mut self, input: u32, values: Option<Vec<f32>>) {
        let Some(values) = values else { return };
        self.values = self.values.saturating_add(values.len());
        if self.values <= MOST_VALUES {
            self.outputs.push(OutputTensor { input, values });
        }
    }

    /// The whole run as its only sample.
    pub(super) fn add_whole(&mut self, ended: Instant) {
        let sample = Inference {
            index: 0,
            phase: Phase::Steady,
            input: 0,
            prepare_ns: 0,
            infer_ns: nanoseconds(ended - self.started),
            interpret_ns: 0,
            label: 0,
            output_digest: String::new(),
            tasks: Vec::new(),
        };
        self.batch.push(sample);
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Whether every inference so far, and at least one, told its duration.
    pub(super) const fn tells_all(&self) -> bool {
        self.count > 0 && self.told == self.count
    }

    pub(super) const fn with_output(&self) -> u32 {
        self.with_output
    }

    /// Inferences that came with others and share their time.
    pub(super) const fn together(&self) -> u32 {
        self.together
    }

    /// Whether the lines were too few for the warm-up to be kept apart.
    pub(super) const fn is_short(&self) -> bool {
        self.count > 0 && self.steady == 0 && self.untimed == 0
    }

    /// Whether no steady inference could be timed.
    pub(super) const fn is_untimed(&self) -> bool {
        self.steady == 0 && self.untimed > 0
    }

    pub(super) const fn timing(&self) -> Timing {
        match (self.count, self.told) {
            (0, _) => Timing::Whole,
            (count, told) if told == count => Timing::Program,
            (_, 0) => Timing::Agent,
            _ => Timing::Mixed,
        }
    }

    pub(super) const fn pending(&self) -> usize {
        self.batch.len()
    }

    pub(super) fn take_batch(&mut self, most: usize) -> Vec<Inference> {
        self.batch.drain(..self.batch.len().min(most)).collect()
    }

    pub(super) fn take_outputs(&mut self) -> Vec<OutputTensor> {
        std::mem::take(&mut self.outputs)
    }

    pub(super) fn take_names(&mut self) -> Vec<String> {
        self.names.take()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::contract::{Told, read};
    use super::*;

    /// Adds what comes a second after each other: one line or, separated by
    /// `|`, several.
    fn tally(warm_up: u32, looks: &[&str]) -> Result<Tally, String> {
        let started = Instant::now();
        let mut tally = Tally::new(warm_up, started);
        for (second, look) in (1..).zip(looks) {
            let arrived = started + Duration::from_secs(second);
            for line in look.split('|') {
                match read(line.as_bytes())? {
                    Told::Ready => tally.be_ready(arrived),
                    Told::Inference(sample) => tally.add(sample, arrived)?,
                    Told::Nothing => {}
                }
            }
            tally.settle(arrived);
        }
        Ok(tally)
    }

    const READY: &str = r#"{"isolde": "ready"}"#;
    const BARE: &str = r#"{"isolde": "inference"}"#;
    const TOLD: &str = r#"{"inference_ms": 3}"#;

    fn figures(tally: &mut Tally) -> Vec<(bool, u64)> {
        let batch = tally.take_batch(100);
        batch.iter().map(|one| (one.phase == Phase::Steady, one.infer_ns / 1_000_000)).collect()
    }

    #[test]
    fn told_durations_count_and_the_agents_clock_stands_in() {
        let mut all = tally(1, &[TOLD, TOLD, TOLD]).unwrap();
        assert_eq!((all.timing(), all.is_short()), (Timing::Program, false));
        assert_eq!(figures(&mut all), [(false, 3), (true, 3), (true, 3)]);
        let mut bare = tally(0, &[READY, BARE, "noise", BARE]).unwrap();
        assert_eq!(bare.timing(), Timing::Agent);
        assert_eq!(figures(&mut bare), [(true, 1000), (true, 2000)]);
        assert_eq!(tally(0, &[TOLD, BARE]).unwrap().timing(), Timing::Mixed);
        assert_eq!(tally(0, &[READY]).unwrap().timing(), Timing::Whole);
    }

    #[test]
    fn lines_that_come_together_share_their_time() {
        let three = format!("{BARE}|{BARE}|{BARE}");
        let mut burst = tally(0, &[READY, BARE, &three]).unwrap();
        assert_eq!(burst.together(), 3);
        assert_eq!(figures(&mut burst), [(true, 1000), (true, 333), (true, 333), (true, 333)]);
    }

    #[test]
    fn a_time_that_holds_the_start_is_never_steady() {
        let mut unready = tally(0, &[BARE, BARE]).unwrap();
        assert_eq!(figures(&mut unready), [(false, 1000), (true, 1000)]);
        // The line of readiness came with the inferences: when was it ready?
        let at_once = format!("{READY}|{BARE}|{BARE}");
        for looks in [&[BARE][..], &[&at_once], &["noise", &at_once]] {
            let tally = tally(1, looks).unwrap();
            assert!(tally.is_untimed() && !tally.is_short(), "{looks:?}");
        }
        assert!(!tally(0, &[&at_once, BARE]).unwrap().is_untimed());
        assert!(!tally(0, &[READY, BARE]).unwrap().is_untimed());
    }

    #[test]
    fn too_few_lines_for_a_warm_up_are_told() {
        assert!(tally(3, &[TOLD, TOLD, TOLD]).unwrap().is_short());
        assert!(tally(1, &[READY, BARE]).unwrap().is_short());
        assert!(!tally(1, &[TOLD, TOLD]).unwrap().is_short());
        assert!(!tally(3, &[]).unwrap().is_short());
    }

    #[test]
    fn the_number_is_bounded() {
        let mut tally = tally(0, &[TOLD]).unwrap();
        tally.count = MOST_INFERENCES;
        let reason = tally.add(Sample::default(), Instant::now()).unwrap_err();
        assert!(reason.contains("1000000"), "{reason}");
    }

    #[test]
    fn more_than_the_program_has_run_is_a_lie() {
        let reason = tally(0, &[r#"{"inference_ms": 1002}"#]).err().unwrap();
        assert!(reason.contains("has run for no more"), "{reason}");
        assert!(tally(0, &[r#"{"inference_ms": 1000}"#]).is_ok());
    }

    #[test]
    fn inputs_are_told_in_one_way_and_outputs_kept_once() {
        let one = r#"{"inference_ms": 1, "input": "b", "output": [1, 2]}"#;
        let two = r#"{"inference_ms": 1, "input": "a", "output": {"class": "stop"}}"#;
        let mut named = tally(0, &[one, two, one]).unwrap();
        let inputs: Vec<u32> = named.take_batch(9).iter().map(|one| one.input).collect();
        assert_eq!(inputs, [0, 1, 0]);
        assert_eq!(named.take_names(), ["b", "a"]);
        assert_eq!(named.take_outputs(), [OutputTensor { input: 0, values: vec![1.0, 2.0] }]);
        assert_eq!(named.with_output(), 3);
        assert!(tally(0, &[one, TOLD]).err().unwrap().contains("another way"));
        let long = format!(r#"{{"inference_ms": 1, "input": "{}%"}}"#, "x".repeat(200));
        let lines: Vec<String> =
            (0..400).map(|number| long.replace('%', &number.to_string())).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert!(tally(0, &lines).err().unwrap().contains("number them"));
    }
}
