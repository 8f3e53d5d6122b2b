//! Hearing what the program prints.

use std::time::{Duration, Instant};

use isolde_model::Mark;
use rustix::event::{PollFd, Timespec, poll};

use super::{Drive, Stop};
use crate::inside::program::contract::{self, Told};
use crate::inside::program::stream::{LONGEST_LINE, Line};

/// How long output may still come after the program ended, for descendants
/// that keep its descriptors open.
const LAST_OUTPUT: Duration = Duration::from_millis(500);
/// Bytes of each stream that are taken at one look: endless output must not
/// keep the agent from anything else.
const MOST_AT_ONCE: usize = 4 << 20;

impl Drive {
    /// Takes what is there now.
    pub(super) fn read_all(&mut self) {
        let mut chunk = vec![0; 64 << 10];
        let mut taken = 0;
        while taken < MOST_AT_ONCE
            && let Some(bytes) = self.stdout.read(&mut chunk)
        {
            taken += bytes.len();
            self.arrived = Instant::now();
            self.take_output(bytes);
            self.tally.settle(self.arrived);
        }
        taken = 0;
        while taken < MOST_AT_ONCE
            && let Some(bytes) = self.stderr.read(&mut chunk)
        {
            taken += bytes.len();
            self.err_tail.push(bytes);
        }
    }

    fn take_output(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        let taken = lines.push(bytes, &mut |line| self.take_line(&line));
        self.lines = lines;
        if let Err(reason) = taken {
            self.end(Stop::Violation(reason));
        }
    }

    fn take_line(&mut self, line: &Line<'_>) -> Result<(), String> {
        self.line_number = self.line_number.saturating_add(1);
        // What comes after the agent decided to end it does not count.
        if self.stop.is_some() {
            return Ok(());
        }
        let number = self.line_number;
        let wrong = |reason| format!("line {number} of its standard output: {reason}");
        let line = match line {
            Line::TooLong(line) if contract::is_candidate(line) => {
                let most = LONGEST_LINE >> 10;
                return Err(wrong(format!(
                    "it is longer than {most} KiB: tell a digest or a summary of the output"
                )));
            }
            Line::TooLong(line) | Line::Whole(line) => line,
        };
        match contract::read(line).map_err(wrong)? {
            Told::Nothing => {
                self.out_tail.push(line);
                self.out_tail.push(b"\n");
            }
            // With a port as its sign, the line says nothing new.
            Told::Ready if self.wants_port => {}
            Told::Ready => self.be_ready(self.arrived),
            Told::Inference(sample) => {
                self.tally.add(sample, self.arrived).map_err(wrong)?;
                if self.tally.count() == 1 {
                    self.passed.push(Mark::FirstInference);
                }
                if self.most.is_some_and(|most| self.tally.count() >= most) {
                    self.end(Stop::Done);
                }
            }
        }
        Ok(())
    }

    /// Output that is still in the pipes, and the last line without an end.
    pub(super) fn read_the_rest(&mut self) {
        let deadline = self.ended_at + LAST_OUTPUT;
        loop {
            self.read_all();
            let mut watched: Vec<PollFd<'_>> = self.streams().collect();
            let left = deadline.saturating_duration_since(Instant::now());
            if watched.is_empty() || left.is_zero() {
                break;
            }
            let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
            let _ = poll(&mut watched, Some(&timeout));
        }
        let mut lines = std::mem::take(&mut self.lines);
        // Its last byte came when the stream was last read.
        if let Err(reason) = lines.finish(&mut |line| self.take_line(&line)) {
            self.stop = Some(Stop::Violation(reason));
        }
        self.tally.settle(self.arrived);
    }
}
