//! The figures of one application with one number of threads in one environment.

use isolde_bundle::Bundle;
use isolde_model::{EnvironmentName, Mark, Plan, Readiness, Ready, Source, TrialRecord};
use isolde_stats::{Pair, Untold};

use crate::figures::{Comparison, Figure, LaunchFigures, LeftOut, Row, StartFigures};
use crate::given_up::given_up;
use crate::launches::Launch;
use crate::{agreement, guest_kernels, part, phases, program, sweep};

/// Everything that a row is made of.
struct Group<'a> {
    application: &'a str,
    threads: u32,
    environment: &'a EnvironmentName,
    ready: Option<&'a Ready>,
    records: Vec<&'a TrialRecord>,
    launches: Vec<&'a Launch<'a>>,
}

pub(crate) fn rows(bundle: &Bundle, records: &[TrialRecord], launches: &[Launch<'_>]) -> Vec<Row> {
    let plan = bundle.plan();
    let mut rows = Vec::new();
    let threads = plan.resources.threads.as_slice();
    let cells = plan.applications.iter().flat_map(|application| {
        threads.iter().map(move |&threads| (application.as_str(), threads))
    });
    for cell in cells {
        let group = |environment| group(bundle, cell, environment, records, launches);
        let baseline = group(&plan.baseline);
        let mut of_application: Vec<Row> = plan
            .environments
            .iter()
            .map(group)
            .filter(|group| !group.records.is_empty() || !is_missing(bundle, group.environment))
            .map(|group| {
                let given_up =
                    given_up(&group.records, records, bundle.header().state, plan.launches);
                group.row(&baseline, bundle, given_up)
            })
            .collect();
        // A stable sort: within each part the plan's order stays.
        of_application.sort_by_key(|row| (row.environment != plan.baseline.as_str(), row.emulated));
        rows.extend(of_application);
    }
    if plan.resources.threads.is_sweep()
        && let Some(&fewest) = threads.iter().min()
    {
        sweep::tell_speed_ups(&mut rows, fewest);
    }
    rows
}

/// Whether the host lacked something for it, which is told elsewhere than in a row.
fn is_missing(bundle: &Bundle, environment: &EnvironmentName) -> bool {
    let mut reports = bundle.environments().iter();
    reports.any(|report| report.environment == *environment && !report.readiness.is_ready())
}

fn group<'a>(
    bundle: &'a Bundle,
    (application, threads): (&'a str, u32),
    environment: &'a EnvironmentName,
    records: &'a [TrialRecord],
    launches: &'a [Launch<'a>],
) -> Group<'a> {
    let is_own = |record: &TrialRecord| {
        let trial = &record.trial;
        trial.application == application
            && trial.threads == threads
            && trial.environment == *environment
    };
    let ready = bundle.environments().iter().find_map(|report| match &report.readiness {
        Readiness::Ready(ready) if report.environment == *environment => Some(ready),
        _ => None,
    });
    Group {
        application,
        threads,
        environment,
        ready,
        records: records.iter().filter(|record| is_own(record)).collect(),
        launches: launches.iter().filter(|launch| is_own(launch.record)).collect(),
    }
}

impl Group<'_> {
    fn row(&self, baseline: &Group<'_>, bundle: &Bundle, given_up: bool) -> Row {
        let plan = bundle.plan();
        Row {
            application: self.application.to_owned(),
            threads: self.threads,
            environment: self.environment.to_string(),
            version: self.ready.map(|ready| ready.version.clone()),
            note: self.ready.and_then(|ready| ready.note.clone()),
            emulated: self.emulated(),
            kernel: guest_kernels::seen(self.records.iter().copied()),
            planned: plan.launches,
            completed: self.launches.len(),
            failed: self.records.len() - self.launches.len(),
            given_up,
            steady_inferences: self.launches.iter().map(|launch| launch.steady.len()).sum(),
            inference: phases::durations(
                self.launches.iter().map(|launch| launch.steady.as_slice()),
            ),
            speed_up: None,
            phases: (!brings_program(plan, self.application)).then(|| {
                phases::phases(
                    &self.launches,
                    self.compare(baseline, plan, |launch| launch.whole_median()),
                )
            }),
            tasks: phases::tasks(&self.launches),
            launch: self.launch(),
            comparison: self.compare(baseline, plan, |launch| launch.median()),
            agreement: agreement::in_words(
                self.launches.iter().map(|launch| launch.record),
                !plan.sources.contains_key(self.application)
                    && !part::is_reference(self.application, plan),
            ),
            equals: agreement::equals(self.launches.iter().map(|launch| launch.record)),
            program: program::figures(self.launches.iter().map(|launch| launch.record)),
        }
    }

    /// What a launch saw counts for more than what the probe said before.
    fn emulated(&self) -> bool {
        match self.records.is_empty() {
            true => self.ready.is_some_and(|ready| ready.emulated),
            false => self.records.iter().any(|record| record.emulated),
        }
    }

    fn launch(&self) -> LaunchFigures {
        let daemon_ns = |record: &TrialRecord| {
            let daemons = &record.reading.as_ref()?.daemons;
            Some(daemons.iter().map(|daemon| daemon.cpu_ns).fold(0, u64::saturating_add))
        };
        let readings = self.launches.iter().filter_map(|launch| launch.record.reading.as_ref());
        let mut daemons: Vec<String> = readings
            .flat_map(|reading| reading.daemons.iter().map(|daemon| daemon.name.clone()))
            .collect();
        daemons.sort_unstable();
        daemons.dedup();
        LaunchFigures {
            cold_start_ns: self.median_of(cold_start),
            agent_up_ns: self.median_of(|record| record.mark_ns(Mark::AgentUp)),
            start: self.start(),
            cpu_ns: self.median_of(|record| {
                Some(daemon_ns(record)?.saturating_add(record.reading.as_ref()?.cpu_ns))
            }),
            daemon_cpu_ns: self.median_of(daemon_ns),
            daemons,
            memory_peak_bytes: self.median_of(|record| record.reading.as_ref()?.memory_peak_bytes),
        }
    }

    fn start(&self) -> StartFigures {
        let mark = |mark| self.median_of(|record| record.mark_ns(mark));
        let between = |from, to| {
            self.median_of(|record| Some(record.mark_ns(to)?.saturating_sub(record.mark_ns(from)?)))
        };
        StartFigures {
            sandbox_started_ns: mark(Mark::SandboxStarted),
            kernel_entered_ns: mark(Mark::KernelEntered),
            agent_up_ns: mark(Mark::AgentUp),
            application_started_ns: mark(Mark::ApplicationStarted),
            model_loaded_ns: mark(Mark::ModelLoaded),
            first_inference_ns: mark(Mark::FirstInference),
            exit_ns: between(Mark::WorkDone, Mark::ExitSeen),
            tear_down_ns: between(Mark::ExitSeen, Mark::TornDown),
        }
    }

    /// Median over the launches that have the value.
    fn median_of(&self, value: impl Fn(&TrialRecord) -> Option<u64>) -> Figure {
        let values = self.launches.iter().filter_map(|launch| value(launch.record));
        let values: Vec<f64> = values.map(|value| value as f64).collect();
        isolde_stats::median(&values).into()
    }

    /// By this median of a launch.
    fn compare(
        &self,
        baseline: &Group<'_>,
        plan: &Plan,
        median: fn(&Launch<'_>) -> Option<f64>,
    ) -> Comparison {
        let left_out = |reason, why: &str| Comparison::LeftOut { reason, why: why.to_owned() };
        if self.environment == baseline.environment {
            return Comparison::Baseline;
        }
        if self.emulated() && !plan.include_emulated {
            return left_out(LeftOut::Emulated, "its CPU is emulated");
        }
        if baseline.emulated() && !plan.include_emulated {
            return left_out(LeftOut::BaselineEmulated, "the baseline's CPU is emulated");
        }
        match isolde_stats::ratio_of_medians(&self.pairs(baseline, median), plan.seed) {
            Ok(ratio) => Comparison::Compared {
                ratio: ratio.estimate,
                interval: ratio.interval.ok().map(|interval| [interval.low, interval.high]),
                interval_untold: ratio.interval.err().map(|why| why.to_string()),
                blocks: ratio.blocks,
            },
            Err(Untold::TooFew { .. }) => {
                left_out(LeftOut::NoRatio, "no block in which it and the baseline completed")
            }
            Err(why) => left_out(LeftOut::NoRatio, &why.to_string()),
        }
    }

    /// Launch medians of the blocks that both have, by block.
    fn pairs(&self, baseline: &Group<'_>, median: fn(&Launch<'_>) -> Option<f64>) -> Vec<Pair> {
        let pair = |own: &&Launch<'_>| {
            let block = own.record.trial.block;
            let mut others = baseline.launches.iter();
            let other = others.find(|other| other.record.trial.block == block)?;
            Some(Pair { subject: median(own)?, baseline: median(other)? })
        };
        self.launches.iter().filter_map(pair).collect()
    }
}

fn brings_program(plan: &Plan, application: &str) -> bool {
    matches!(plan.sources.get(application), Some(Source::Program(_)))
}

/// Nanoseconds until it could serve. A program tells itself that its model is
/// loaded, and may then wait for requests.
fn cold_start(record: &TrialRecord) -> Option<u64> {
    let told = record.program.as_ref().and_then(|_| record.mark_ns(Mark::ModelLoaded));
    told.or_else(|| record.mark_ns(Mark::FirstInference))
}
