//! What a run is doing, on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isolde_model::{Event, Outcome, Trial, TrialRecord};

use crate::printable;
use crate::sweep::in_words;

/// Least time between two lines where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Listens to a run and shows how far it is. A bar on a terminal, a line every
/// few seconds elsewhere; failures always. Nothing is drawn while a trial runs
/// and no thread ticks: both would take CPU time from what is measured.
pub struct Progress {
    output: Output,
    total: usize,
    done: usize,
    /// Whether trials differ in their number of threads.
    sweeps: bool,
    last_line: Option<Duration>,
}

enum Output {
    Nothing,
    Lines(Box<dyn Write + Send>),
    Bar(ProgressBar),
}

impl Progress {
    /// On standard error: a bar if that is a terminal, else lines.
    #[must_use]
    pub fn stderr() -> Self {
        match io::stderr().is_terminal() {
            true => Self::bar(ProgressDrawTarget::stderr()),
            false => Self::lines(Box::new(io::stderr())),
        }
    }

    /// Shows nothing.
    #[must_use]
    pub fn quiet() -> Self {
        Self::new(Output::Nothing)
    }

    /// Lines to this writer.
    #[must_use]
    pub fn lines(writer: Box<dyn Write + Send>) -> Self {
        Self::new(Output::Lines(writer))
    }

    fn bar(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), target);
        // The template is fixed; were it refused, the default shows the same numbers.
        if let Ok(style) = ProgressStyle::with_template("[{bar:16}] {pos}/{len}  {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self::new(Output::Bar(bar))
    }

    const fn new(output: Output) -> Self {
        Self { output, total: 0, done: 0, sweeps: false, last_line: None }
    }

    /// Takes note of an event and shows what it means.
    pub fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::RunStarted { plan, trials } => {
                self.total = *trials;
                self.sweeps = plan.resources.threads.is_sweep();
                if let Output::Bar(bar) = &self.output {
                    bar.set_length(*trials as u64);
                }
            }
            Event::TrialStarted { trial } => {
                if let Output::Bar(bar) = &self.output {
                    bar.set_message(format!("{}{}", self.name(trial), bar.prefix()));
                    bar.tick();
                }
            }
            Event::MarkPassed { .. } => {}
            Event::TrialEnded { record, elapsed } => self.trial_ended(record, *elapsed),
            Event::EnvironmentGivenUp { environment, failures } => self.say(&format!(
                "{}: given up after {failures} failures in a row",
                printable(environment.as_str())
            )),
            Event::BudgetSpent { blocks } => {
                self.say(&format!("time budget spent after {blocks} whole blocks"));
            }
            Event::Interrupted => self.say("interrupted: keeping what was measured"),
            Event::RunEnded { .. } => {
                if let Output::Bar(bar) = &self.output {
                    bar.finish_and_clear();
                }
            }
        }
    }

    fn trial_ended(&mut self, record: &TrialRecord, elapsed: Duration) {
        self.done += 1;
        let name = self.name(&record.trial);
        if let Outcome::Failed(failure) = &record.outcome {
            self.say(&format!("{name}: {}", printable(&failure.to_string())));
        }
        let left = time_left(self.done, self.total, elapsed);
        match &mut self.output {
            Output::Nothing => {}
            Output::Bar(bar) => {
                // Kept for the next trial's line, which is drawn before it starts.
                bar.set_prefix(left);
                bar.set_position(self.done as u64);
            }
            Output::Lines(writer) => {
                let due = self.last_line.is_none_or(|last| elapsed >= last + LINE_EVERY);
                if due || self.done == self.total {
                    self.last_line = Some(elapsed);
                    // Progress that cannot be written is no reason to stop.
                    let _ = writeln!(writer, "{}/{}  {name}{left}", self.done, self.total);
                }
            }
        }
    }

    fn name(&self, trial: &Trial) -> String {
        let environment = printable(trial.environment.as_str());
        let name = format!("{environment}, {}", printable(&trial.application));
        match self.sweeps {
            true => format!("{name}, {}", in_words(&trial.threads.into())),
            false => name,
        }
    }

    fn say(&mut self, text: &str) {
        match &mut self.output {
            Output::Nothing => {}
            Output::Bar(bar) => bar.println(text),
            Output::Lines(writer) => {
                // As above.
                let _ = writeln!(writer, "{text}");
            }
        }
    }
}

/// From the mean time of a trial so far: trials of all environments are mixed,
/// so the mean is steady early.
fn time_left(done: usize, total: usize, elapsed: Duration) -> String {
    let left = total.saturating_sub(done);
    if done == 0 || left == 0 {
        return String::new();
    }
    let seconds = (elapsed.as_secs_f64() / done as f64 * left as f64).ceil() as u64;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!(", about {seconds} s left"),
        (minutes, _) if minutes >= 10 => format!(", about {minutes} min left"),
        (minutes, seconds) => format!(", about {minutes} min {seconds} s left"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use isolde_model::{EnvironmentName, Failure, FailureKind, Stage};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn record(index: u32, outcome: Outcome) -> TrialRecord {
        let environment = EnvironmentName::new("docker");
        let trial = Trial {
            index,
            block: 0,
            position: 0,
            environment,
            application: "road-sign".into(),
            threads: 1,
        };
        let (marks, leaks) = (Vec::new(), Vec::new());
        let (reading, inside, agreement, console_tail) = (None, None, None, None);
        let emulated = false;
        TrialRecord {
            trial,
            outcome,
            emulated,
            marks,
            reading,
            inside,
            agreement,
            leaks,
            console_tail,
            tasks: Vec::new(),
            program: None,
        }
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure {
            kind: FailureKind::Crashed,
            stage: Stage::Job,
            reason: "exit status 1\u{1b}[2J".into(),
            hint: None,
        })
    }

    #[test]
    fn lines_come_now_and_then_and_failures_at_once() {
        let written = Shared::default();
        let mut progress = Progress::lines(Box::new(written.clone()));
        progress.total = 20;
        for index in 0..20u32 {
            let outcome = if index == 2 { failed() } else { Outcome::Completed };
            let record = record(index, outcome);
            let elapsed = Duration::from_secs(u64::from(index) + 1);
            progress.on_event(&Event::TrialEnded { record: &record, elapsed });
        }
        let environment = EnvironmentName::new("vm");
        progress.on_event(&Event::EnvironmentGivenUp { environment: &environment, failures: 3 });
        progress.on_event(&Event::Interrupted);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_threads_are_told_where_they_are_swept() {
        let mut progress = Progress::quiet();
        let trial = record(0, Outcome::Completed).trial;
        assert_eq!(progress.name(&trial), "docker, road-sign");
        progress.sweeps = true;
        assert_eq!(progress.name(&trial), "docker, road-sign, 1 thread");
        assert_eq!(progress.name(&Trial { threads: 4, ..trial }), "docker, road-sign, 4 threads");
    }

    #[test]
    fn the_time_left_is_told_in_fitting_units() {
        let after = |done, seconds| time_left(done, 100, Duration::from_secs(seconds));
        assert_eq!(after(0, 0), "");
        assert_eq!(after(90, 90), ", about 10 s left");
        assert_eq!(after(10, 10), ", about 1 min 30 s left");
        assert_eq!(after(1, 60), ", about 99 min left");
        assert_eq!(after(100, 60), "");
    }

    #[test]
    fn a_bar_and_silence_survive_every_event() {
        for mut progress in [Progress::bar(ProgressDrawTarget::hidden()), Progress::quiet()] {
            let record = record(0, failed());
            progress.on_event(&Event::TrialStarted { trial: &record.trial });
            progress.on_event(&Event::TrialEnded { record: &record, elapsed: Duration::ZERO });
            progress.on_event(&Event::BudgetSpent { blocks: 1 });
            progress.on_event(&Event::RunEnded { trials: 1, failed: 1 });
        }
    }
}
