//! Bundles of made-up runs, written and opened as real ones are. The figures
//! are drawn by a fixed generator, so that what is made of them can be compared.

use std::collections::BTreeMap;
use std::path::Path;

use isolde_bundle::{Bundle, BundleWriter};
use isolde_model::{
    Agreement, BundleHeader, BundleState, ByteSize, CpuFacts, DaemonCpu, Deadlines,
    EnvironmentName, EnvironmentReport, Failure, FailureKind, HostFacts, Inference, InsideFacts,
    KvmFacts, Mark, MarkStamp, Outcome, OutputTensor, Phase, Plan, Preset, ProgramFacts,
    ProgramSource, Readiness, Reading, Ready, ReadySign, Resources, SCHEMA_VERSION, Source, Stage,
    TaskTime, Timing, Trial, TrialRecord,
};

/// An environment of a made-up run.
#[derive(Clone)]
pub(crate) struct Environment {
    pub(crate) name: &'static str,
    /// How much slower than 37 µs it infers.
    pub(crate) factor: f64,
    pub(crate) emulated: bool,
    /// CPU time of a daemon per launch, in nanoseconds.
    pub(crate) daemon_ns: Option<u64>,
    /// Blocks in which its launch fails.
    pub(crate) fails_in: Vec<u32>,
    /// Block from which on it is not run any more.
    pub(crate) given_up_from: Option<u32>,
}

pub(crate) fn environment(name: &'static str, factor: f64) -> Environment {
    Environment {
        name,
        factor,
        emulated: false,
        daemon_ns: None,
        fails_in: Vec::new(),
        given_up_from: None,
    }
}

/// A made-up run.
pub(crate) struct Run {
    pub(crate) environments: Vec<Environment>,
    pub(crate) missing: Vec<EnvironmentReport>,
    pub(crate) launches: u32,
    pub(crate) inferences: u32,
    /// Trials after which it stopped.
    pub(crate) stop_after: usize,
    pub(crate) state: BundleState,
    pub(crate) baseline: &'static str,
    pub(crate) include_emulated: bool,
    pub(crate) host: HostFacts,
    pub(crate) reason: String,
    /// What each launch of a program of the user's told.
    pub(crate) program: Option<ProgramFacts>,
    /// What runs, where it is no program.
    pub(crate) application: &'static str,
    /// Its tasks, of which each takes half as long as the one before.
    pub(crate) tasks: &'static [&'static str],
    pub(crate) threads: Vec<u32>,
}

pub(crate) fn run(environments: Vec<Environment>) -> Run {
    Run {
        baseline: environments[0].name,
        environments,
        missing: Vec::new(),
        launches: 6,
        inferences: 100,
        stop_after: usize::MAX,
        state: BundleState::Complete,
        include_emulated: false,
        host: host(),
        reason: "the agent closed the line: status 139".into(),
        program: None,
        application: "road-sign",
        tasks: &[],
        threads: vec![1],
    }
}

pub(crate) fn host() -> HostFacts {
    HostFacts {
        machine: Some("Raspberry Pi 4 Model B Rev 1.4".into()),
        os: Some("Debian GNU/Linux 12 (bookworm)".into()),
        kernel: "6.1.0-40-arm64".into(),
        architecture: "aarch64".into(),
        cpu: CpuFacts {
            emulated: None,
            model: Some("Cortex-A72".into()),
            cpus: 4,
            governor: Some("performance".into()),
            features_digest: None,
            virtualized: false,
        },
        memory_bytes: 8_190_312_448,
        memory_available_bytes: 7_516_192_768,
        swap_bytes: 0,
        swap_used_bytes: 0,
        cgroup: "v2".into(),
        temperature_millicelsius: Some(48_200),
        throttling: Vec::new(),
        load_1m_thousandths: 120,
        kvm: KvmFacts::Executes { picoseconds_per_iteration: 667 },
    }
}

pub(crate) fn missing(name: &str, what: &str, packages: &[&str]) -> EnvironmentReport {
    EnvironmentReport {
        environment: EnvironmentName::new(name),
        description: format!("what {name} is"),
        readiness: Readiness::missing_packages(what, packages),
    }
}

impl Run {
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            schema: SCHEMA_VERSION,
            preset: Preset::Quick,
            seed: 42,
            applications: vec![self.application().into()],
            environments: self.names().map(EnvironmentName::new).collect(),
            launches: self.launches,
            inferences: self.inferences,
            warm_up: 10,
            baseline: EnvironmentName::new(self.baseline),
            include_emulated: self.include_emulated,
            kernel: None,
            budget: None,
            resources: Resources {
                cpus: 2,
                memory: ByteSize::mebibytes(512),
                threads: self.threads.clone().into(),
            },
            deadlines: Deadlines::default(),
            sources: self.sources(),
        }
    }

    fn infers(&self) -> bool {
        self.program.as_ref().is_none_or(|facts| facts.inferences > 0)
    }

    fn tells_outputs(&self) -> bool {
        self.program.as_ref().is_none_or(|facts| facts.outputs > 0)
    }

    fn application(&self) -> &'static str {
        if self.program.is_some() { "detector" } else { self.application }
    }

    fn sources(&self) -> BTreeMap<String, Source> {
        let source = |_: &ProgramFacts| {
            let source = ProgramSource {
                image: None,
                command: vec!["/srv/detector".into()],
                files: Vec::new(),
                ready: ReadySign::Line,
                inferences: None,
            };
            (self.application().to_owned(), Source::Program(source))
        };
        self.program.iter().map(source).collect()
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.environments.iter().map(|environment| environment.name)
    }

    /// Writes the run to `path` and opens it.
    pub(crate) fn bundle(&self, path: &Path) -> Bundle {
        let header = BundleHeader {
            schema: SCHEMA_VERSION,
            isolde: "0.1.0".into(),
            started: "2026-11-23T20:28:17Z".into(),
            state: BundleState::Open,
        };
        let ready = self.environments.iter().map(|environment| EnvironmentReport {
            environment: EnvironmentName::new(environment.name),
            description: format!("what {} is", environment.name),
            readiness: Readiness::Ready(Ready {
                version: format!("{} 1.0", environment.name),
                emulated: environment.emulated,
                note: None,
            }),
        });
        let reports: Vec<_> = ready.chain(self.missing.iter().cloned()).collect();
        let writer =
            BundleWriter::create(path, header, &self.plan(), &self.host, &reports).unwrap();
        let mut random = Random(12345);
        let mut index = 0;
        for block in 0..self.launches {
            let cells = self.environments.iter().flat_map(|environment| {
                self.threads.iter().map(move |&threads| (environment, threads))
            });
            for (position, (environment, threads)) in cells.enumerate() {
                let given_up = environment.given_up_from.is_some_and(|from| block >= from);
                if given_up || index as usize >= self.stop_after {
                    continue;
                }
                let trial = Trial {
                    index,
                    block,
                    position: position as u32,
                    environment: EnvironmentName::new(environment.name),
                    application: self.application().into(),
                    threads,
                };
                self.write(&writer, environment, trial, &mut random);
                index += 1;
            }
        }
        writer.close(self.state).unwrap();
        Bundle::open(path).unwrap()
    }

    fn write(
        &self,
        writer: &BundleWriter,
        environment: &Environment,
        trial: Trial,
        random: &mut Random,
    ) {
        let fails = environment.fails_in.contains(&trial.block);
        let record = self.record(environment, trial, fails, random);
        if fails {
            return writer.write_trial(&record, &[], &[]).unwrap();
        }
        // Half of the work is shared among threads.
        let share = 0.5 + 0.5 / f64::from(record.trial.threads);
        let launch = random.around(37_000.0 * environment.factor * share, 0.01);
        let own = self.program.as_ref().map(|facts| match facts.timing {
            Timing::Whole => 11,
            _ => facts.inferences,
        });
        let inferences: Vec<_> = (0..own.unwrap_or(10 + self.inferences))
            .map(|index| inference(index, random.around(launch, 0.03) as u64, self.tasks.len()))
            .skip(if own == Some(11) { 10 } else { 0 })
            .collect();
        let outputs = [OutputTensor { input: 0, values: vec![0.25; 43] }];
        writer.write_trial(&record, &inferences, &outputs).unwrap();
    }

    fn record(
        &self,
        environment: &Environment,
        trial: Trial,
        fails: bool,
        random: &mut Random,
    ) -> TrialRecord {
        let agent_up = random.around(9e6 * environment.factor, 0.1) as u64;
        let first = agent_up + random.around(3e6, 0.05) as u64;
        let started = random.around(2e6, 0.05) as u64;
        let done = first + random.around(20e6, 0.05) as u64;
        let ended = done + random.around(4e6, 0.05) as u64;
        let mut marks = vec![
            (Mark::Requested, 0),
            (Mark::SandboxStarted, started),
            (Mark::AgentUp, agent_up),
            (Mark::ApplicationStarted, agent_up + 100_000),
            (Mark::FirstInference, first),
            (Mark::WorkDone, done),
            (Mark::ExitSeen, ended),
            (Mark::TornDown, ended + 1_000_000),
        ];
        if environment.emulated {
            // A guest has a kernel of its own.
            marks.insert(2, (Mark::KernelEntered, started + 500_000));
        }
        let daemons = environment
            .daemon_ns
            .map(|cpu_ns| DaemonCpu { name: "dockerd".into(), cpu_ns })
            .into_iter();
        let reading = Reading {
            cpu_ns: random.around(14e6 * environment.factor, 0.02) as u64,
            memory_peak_bytes: Some(random.around(23e6 * environment.factor, 0.01) as u64),
            daemons: daemons.collect(),
            ..Reading::default()
        };
        let outcome = match fails {
            false => Outcome::Completed,
            true => Outcome::Failed(Failure {
                kind: FailureKind::Crashed,
                stage: Stage::Job,
                reason: self.reason.clone(),
                hint: Some("see console_tail in its trial.json".into()),
            }),
        };
        TrialRecord {
            trial,
            outcome,
            emulated: environment.emulated,
            marks: marks
                .into_iter()
                .filter_map(|(mark, at_ns)| {
                    let ready = self.program.as_ref().is_some_and(|facts| facts.ready);
                    let mark = match mark {
                        Mark::FirstInference if ready => Mark::ModelLoaded,
                        Mark::FirstInference if !self.infers() => return None,
                        mark => mark,
                    };
                    Some(MarkStamp { mark, at_ns })
                })
                .collect(),
            reading: Some(reading),
            inside: Some(InsideFacts {
                kernel: if environment.emulated {
                    "6.1.0-56-cloud-arm64".into()
                } else {
                    self.host.kernel.clone()
                },
                own_kernel_memory: environment.emulated,
                ..InsideFacts::default()
            }),
            agreement: (!fails && self.tells_outputs()).then(|| Agreement {
                reference: EnvironmentName::new("process"),
                identical: !environment.emulated,
                largest_difference: if environment.emulated { 3.1e-5 } else { 0.0 },
                tolerance: if environment.emulated { 1e-2 } else { 0.0 },
            }),
            leaks: Vec::new(),
            console_tail: None,
            tasks: self.tasks.iter().map(|&task| task.to_owned()).collect(),
            program: self.program.clone(),
        }
    }
}

fn inference(index: u32, infer_ns: u64, tasks: usize) -> Inference {
    let warm_up = index < 10;
    // Warm-up is slower: were it counted, every figure would show it.
    let infer_ns = if warm_up { infer_ns * 5 } else { infer_ns };
    let task = |place: usize| TaskTime {
        prepare_ns: 2_000,
        infer_ns: infer_ns >> (place + 1),
        interpret_ns: 100,
    };
    let tasks: Vec<TaskTime> = (0..tasks).map(task).collect();
    let times = match tasks.is_empty() {
        true => vec![TaskTime { prepare_ns: 2_000, infer_ns, interpret_ns: 100 }],
        false => tasks.clone(),
    };
    let sum = |duration: fn(&TaskTime) -> u64| times.iter().map(duration).sum();
    Inference {
        index,
        phase: if warm_up { Phase::WarmUp } else { Phase::Steady },
        input: 0,
        prepare_ns: sum(|time| time.prepare_ns),
        infer_ns: sum(|time| time.infer_ns),
        interpret_ns: sum(|time| time.interpret_ns),
        label: 14,
        output_digest: "0123456789abcdef".into(),
        tasks,
    }
}

/// Numerical Recipes' 32-bit congruence.
struct Random(u32);

impl Random {
    /// Evenly between `centre` less and more a share of it.
    fn around(&mut self, centre: f64, share: f64) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        centre * (1.0 + share * (f64::from(self.0) / f64::from(u32::MAX) * 2.0 - 1.0))
    }
}
