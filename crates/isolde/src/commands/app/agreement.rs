//! Whether an image with another engine gives what the embedded engine gives.

use std::path::Path;

use anyhow::Context;
use isolde_agent::protocol::ExecJob;
use isolde_apps::{Choice, Size, Threads, spread};
use isolde_image::Image;
use isolde_image::onnxruntime::{Inputs, MOST_VALUES};
use isolde_model::{ByteSize, Deadlines, EnvironmentName, Readiness, Resources, Span};
use isolde_runner::{
    ExecRequest, ExecResult, Interrupt, Provisions, RunError, Workplace, exec, host,
};
use serde::{Deserialize, Serialize};

use crate::brought;
use crate::exit::{Exit, ExitContext, tagged};
use crate::output::talk;
use crate::resolve::{self, Probed};

/// Inputs of an application in reference size whose outputs are compared: each may
/// take seconds, and their weights are noise in any case.
const REFERENCE_INPUTS: usize = 4;

/// How far outputs in reference size may be apart, as a share of the largest
/// magnitude among them: both engines sum up to 9216 products of 32-bit floats in
/// orders of their own, through up to a hundred layers.
const REFERENCE_TOLERANCE: f32 = 1e-3;

/// How long all inferences in the image may take.
const PATIENCE: Span = Span(std::time::Duration::from_secs(600));

/// All inputs as the network gets them, and what the embedded engine makes of the
/// first of them.
pub(super) struct Embedded {
    pub(super) inputs: Inputs,
    /// Some values of each output, as the image tells them.
    outputs: Vec<Vec<f32>>,
}

impl Embedded {
    /// Runs the application on this host, in one thread.
    ///
    /// # Errors
    /// A network that cannot be loaded or run, or the wish to stop.
    pub(super) fn run(
        choice: &Choice,
        networks: &Path,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let mut application = choice.load(networks, &Threads::new(1)).exit_with(Exit::Usage)?;
        let compared = match choice.size {
            Size::Compact => usize::MAX,
            Size::Reference => REFERENCE_INPUTS,
        };
        let mut found = Self { inputs: Inputs::default(), outputs: Vec::new() };
        for input in 0..(choice.description.inputs)() {
            if interrupt.is_triggered() {
                return Err(tagged(Exit::Interrupted, "interrupted"));
            }
            application.prepare(input, 0)?;
            let given = application.network_input(0).context("the network takes no floats")?;
            if !found.inputs.push(&given.shape, given.values) {
                anyhow::bail!("input {input} of {choice} has another shape than the first one");
            }
            if found.outputs.len() < compared {
                application.infer(0).exit_with(Exit::Usage)?;
                application.interpret(0).exit_with(Exit::Usage)?;
                found.outputs.push(spread(application.output(), MOST_VALUES));
            }
        }
        Ok(found)
    }
}

/// How the outputs of both engines compare.
#[derive(Debug, Serialize)]
pub(super) struct Agreement {
    /// Where the image ran.
    pub(super) environment: EnvironmentName,
    /// Inputs whose outputs were compared.
    pub(super) inputs: usize,
    /// Values of each output that were compared.
    pub(super) values: usize,
    /// The largest absolute difference of two values.
    pub(super) largest_difference: f32,
    /// The largest that is allowed.
    pub(super) tolerance: f32,
    /// Whether it is within that.
    pub(super) agrees: bool,
}

/// Where the image is run.
pub(super) struct Place {
    pub(super) provisions: Provisions,
    pub(super) probed: Probed,
}

/// The environment that is asked for, or the first that can run here.
///
/// # Errors
/// An unknown name, or that it cannot run.
pub(super) fn environment(name: Option<&str>, provisions: &Provisions) -> anyhow::Result<Probed> {
    let names: Vec<String> = name.map(str::to_owned).into_iter().collect();
    let mut reasons = Vec::new();
    for probed in resolve::probe(&names, provisions)? {
        match &probed.report.readiness {
            Readiness::Ready(_) => return Ok(probed),
            Readiness::Missing(missing) => reasons
                .push(format!("{}: {}; {}", probed.report.environment, missing.what, missing.hint)),
        }
    }
    Err(tagged(
        Exit::Unfit,
        format!("the image could not be run here:\n  {}", reasons.join("\n  ")),
    ))
}

/// Runs the image once and holds its outputs against the embedded engine's.
///
/// # Errors
/// That it cannot be run, failed, or told something else than outputs.
pub(super) fn compare(
    choice: &Choice,
    image: &Image,
    embedded: &Embedded,
    place: Place,
    interrupt: &Interrupt,
) -> anyhow::Result<Agreement> {
    let environment = place.probed.report.environment.clone();
    let said = run_once(image, embedded.outputs.len(), place, interrupt)?;
    judge(choice, environment, &embedded.outputs, &outputs(&said)?)
}

/// Whether values in the same places are near enough to each other.
fn judge(
    choice: &Choice,
    environment: EnvironmentName,
    ours: &[Vec<f32>],
    theirs: &[Vec<f32>],
) -> anyhow::Result<Agreement> {
    let largest_difference = largest_difference(ours, theirs)?;
    let magnitudes = ours.iter().flatten().map(|value| value.abs());
    let tolerance = match choice.size {
        Size::Compact => choice.description.output_tolerance,
        Size::Reference => REFERENCE_TOLERANCE * magnitudes.fold(0.0, f32::max),
    };
    Ok(Agreement {
        environment,
        inputs: theirs.len(),
        values: theirs.first().map_or(0, Vec::len),
        largest_difference,
        tolerance,
        agrees: largest_difference <= tolerance,
    })
}

/// Runs the image's program for so many inferences; what it said.
fn run_once(
    image: &Image,
    inferences: usize,
    place: Place,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<u8>> {
    let Place { provisions, probed } = place;
    let mut provisions = resolve::with_image(&provisions, image)?;
    let argv = [&image.config.entrypoint[..], &image.config.cmd].concat();
    let mut invocation = brought::of_image(image, argv)?;
    invocation.env.extend([
        format!("ISOLDE_INFERENCES={inferences}"),
        "ISOLDE_WARM_UP=0".into(),
        "ISOLDE_THREADS=1".into(),
        "OMP_NUM_THREADS=1".into(),
    ]);
    let workplace = Workplace::new(resources()?).exit_with(Exit::Unfit)?;
    let prepared = provisions.prepare(&*probed.backend, &workplace, interrupt);
    if interrupt.is_triggered() {
        return Err(tagged(Exit::Interrupted, "interrupted"));
    }
    let prepared = prepared.exit_with(Exit::Unfit)?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let request = ExecRequest {
        backend: &*probed.backend,
        prepared: &prepared,
        workplace: &workplace,
        number: 0,
        job: ExecJob { invocation },
        deadlines: Deadlines { job: PATIENCE, ..Deadlines::default() },
        stdout: &mut stdout,
        stderr: &mut stderr,
    };
    let result = exec(request, interrupt);
    for leak in probed.backend.retire() {
        talk(&format!("warning: left behind: {}: {}", leak.what, leak.detail));
    }
    match result {
        Ok(result) => ended_well(&result, &stderr).map(|()| stdout),
        Err(RunError::Interrupted) => Err(tagged(Exit::Interrupted, "interrupted")),
        Err(error @ RunError::Cgroup(_)) => Err(error).exit_with(Exit::Unfit),
        Err(error) => Err(error).exit_with(Exit::TrialsFailed),
    }
}

/// One CPU, and memory in plenty: what is asked is what the outputs are.
fn resources() -> anyhow::Result<Resources> {
    let facts = host::facts_without_kvm();
    let half = ByteSize(facts.memory_available_bytes / 2).whole_mebibytes();
    let memory = ByteSize::mebibytes(half.clamp(512, 4096));
    let resources = Resources { cpus: 1, memory, threads: 1.into() };
    host::check_resources(&resources, &facts).exit_with(Exit::Unfit)?;
    Ok(resources)
}

fn ended_well(result: &ExecResult, stderr: &[u8]) -> anyhow::Result<()> {
    if result.out_of_memory {
        return Err(tagged(Exit::TrialsFailed, "the image's program ran out of memory"));
    }
    if result.ending.status == Some(0) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(stderr);
    let last = said.trim_end().lines().next_back().unwrap_or("it said nothing");
    let text = format!("the image's program failed: {}", isolde_report::printable(last));
    Err(tagged(Exit::TrialsFailed, text))
}

/// The outputs in the lines that the program said.
fn outputs(said: &[u8]) -> anyhow::Result<Vec<Vec<f32>>> {
    #[derive(Deserialize)]
    struct Line {
        output: Vec<f32>,
    }
    let lines = said.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"inference"));
    lines
        .map(|line| serde_json::from_slice::<Line>(line).map(|line| line.output))
        .collect::<Result<_, _>>()
        .context("the image's program told something else than its outputs")
        .exit_with(Exit::TrialsFailed)
}

/// The largest absolute difference between values in the same places.
fn largest_difference(ours: &[Vec<f32>], theirs: &[Vec<f32>]) -> anyhow::Result<f32> {
    let lengths = |outputs: &[Vec<f32>]| outputs.iter().map(Vec::len).collect::<Vec<_>>();
    if lengths(ours) != lengths(theirs) {
        let text = "the image's program gave outputs of another shape than the embedded engine";
        return Err(tagged(Exit::TrialsFailed, text));
    }
    let pairs = ours.iter().flatten().zip(theirs.iter().flatten());
    Ok(pairs.map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_and_held_against_each_other() {
        let said = b"{\"isolde\": \"ready\"}\n\
            {\"inference_ns\": 5, \"input\": 0, \"output\": [1.0, -2.5]}\nwarning\n\
            {\"inference_ns\": 6, \"input\": 1, \"output\": [0.0, 3.25]}\n";
        let theirs = outputs(said).unwrap();
        assert_eq!(theirs, [[1.0, -2.5], [0.0, 3.25]]);
        let ours = [vec![1.0, -2.0], vec![0.0, 3.0]];
        assert!((largest_difference(&ours, &theirs).unwrap() - 0.5).abs() < f32::EPSILON);
        assert!(largest_difference(&ours[..1], &theirs).is_err());
        assert!(largest_difference(&[vec![1.0], vec![0.0, 3.0]], &theirs).is_err());
        assert!(outputs(b"{\"inference_ns\": 5}\n").is_err());
    }

    #[test]
    fn what_is_too_far_apart_does_not_agree() {
        let agrees = |choice: &str, difference: f32| {
            let (ours, theirs) = ([vec![-8.0, 2.0]], [vec![-8.0, 2.0 + difference]]);
            let place = EnvironmentName::new("process");
            judge(&choice.parse().unwrap(), place, &ours, &theirs).unwrap().agrees
        };
        let allowed = isolde_apps::find("road-sign").unwrap().output_tolerance;
        assert!(agrees("road-sign", 0.9 * allowed) && !agrees("road-sign", 1.1 * allowed));
        // A thousandth of 8.
        assert!(agrees("road-sign:reference", 0.007) && !agrees("road-sign:reference", 0.009));
    }

    #[test]
    fn the_embedded_engine_gives_inputs_and_outputs() {
        let choice: Choice = "road-sign".parse().unwrap();
        let found = Embedded::run(&choice, Path::new(""), &Interrupt::new().unwrap()).unwrap();
        assert_eq!((found.inputs.len(), found.outputs.len()), (86, 86));
        assert!(found.outputs.iter().all(|output| output.len() == 43));
    }
}
