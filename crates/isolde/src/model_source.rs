//! From arguments or a plan file to a model of the user's that can be run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use isolde_apps::user_model::{
    Hints, InputFiles, MODEL_IN_SANDBOX, ModelFile, WeightsFile, array_files, array_inputs,
    input_in_sandbox, meaning, pictures, read_model, unsupported_operators,
};
use isolde_model::{ModelInput, ModelSource, Plan, Source};
use isolde_runner::Provisions;

use crate::args::PlanArguments;
use crate::exit::{Exit, ExitContext, tagged};
use crate::model_args::Given;
use crate::model_trial::Subject;

/// A model of the user's, found whole and understood.
pub(crate) struct UserModel {
    name: String,
    source: ModelSource,
    weights: Vec<WeightsFile>,
    inputs: Vec<PathBuf>,
}

/// The model that is asked for, by argument or else by the plan file.
///
/// # Errors
/// Wrong usage: what of it cannot be read or used, or was changed since the
/// plan was made.
pub(crate) fn find(
    arguments: &PlanArguments,
    from_file: Option<&Plan>,
) -> anyhow::Result<Option<UserModel>> {
    if let Some((model, given)) = arguments.model.asked_for() {
        return read(None, model, &given).map(Some);
    }
    let Some(plan) = from_file else { return Ok(None) };
    let wanted = match arguments.applications.is_empty() {
        true => &plan.applications,
        false => &arguments.applications,
    };
    let mut models = wanted.iter().filter_map(|name| match plan.sources.get(name) {
        Some(Source::Model(source)) => Some((name, source)),
        _ => None,
    });
    let Some((name, source)) = models.next() else { return Ok(None) };
    if let Some((other, _)) = models.next() {
        let text = format!("the plan has the models {name} and {other}: leave one with --app");
        return Err(tagged(Exit::Usage, text));
    }
    again(name, source).map(Some)
}

fn read(name: Option<&str>, model: &Path, given: &Given<'_>) -> anyhow::Result<UserModel> {
    let file = read_model(model).exit_with(Exit::Usage)?;
    check_operators(model, &file)?;
    let (path, input, found) = inputs(model, &file, given)?;
    let weights = file.weights.iter().map(|file| (file.location.clone(), file.digest.clone()));
    let source = ModelSource {
        model: absolute(model)?,
        digest: file.digest,
        weights: weights.collect(),
        inputs: absolute(path)?,
        inputs_digest: found.digest,
        count: u32::try_from(found.paths.len()).unwrap_or(u32::MAX),
        input,
    };
    let name = name.map_or_else(|| name_of(model), str::to_owned);
    Ok(UserModel { name, source, weights: file.weights, inputs: found.paths })
}

/// Names at once all operators that the engine does not have.
fn check_operators(model: &Path, file: &ModelFile) -> anyhow::Result<()> {
    let lacking = unsupported_operators(&file.outline);
    if lacking.is_empty() {
        return Ok(());
    }
    let (model, lacking) = (model.display(), lacking.join(", "));
    let text = format!(
        "the model {model} cannot be run: the engine does not have its operators {lacking}: export \
         it with others"
    );
    Err(tagged(Exit::Usage, text))
}

/// Where the inputs are, how they are made, and their files.
fn inputs<'a>(
    model: &Path,
    file: &ModelFile,
    given: &Given<'a>,
) -> anyhow::Result<(&'a Path, ModelInput, InputFiles)> {
    let cannot = || format!("the model {} cannot be run", model.display());
    match *given {
        Given::Pictures { folder, hints } => {
            let meaning = meaning(&file.outline, hints);
            let input = meaning.with_context(cannot).exit_with(Exit::Usage)?;
            let files = pictures(folder).exit_with(Exit::Usage)?;
            Ok((folder, ModelInput::Picture(input), files))
        }
        Given::Arrays(path) => {
            let wanted = array_inputs(&file.outline);
            let wanted = wanted.with_context(cannot).exit_with(Exit::Usage)?;
            let files = array_files(path, &wanted).exit_with(Exit::Usage)?;
            Ok((path, ModelInput::Arrays(wanted), files))
        }
    }
}

/// The plan's model, if it is still what it was.
fn again(name: &str, source: &ModelSource) -> anyhow::Result<UserModel> {
    let changed = |what: &str, path: &str| {
        let text = format!(
            "{what} {path} changed since the plan was made: make the plan again with `isolde plan --model`"
        );
        tagged(Exit::Usage, text)
    };
    let inputs = Path::new(&source.inputs);
    let (given, kind) = match &source.input {
        ModelInput::Picture(input) => {
            (Given::Pictures { folder: inputs, hints: Hints::of(input) }, "the pictures in")
        }
        ModelInput::Arrays(_) => (Given::Arrays(inputs), "the arrays in"),
    };
    let model = read(Some(name), Path::new(&source.model), &given)?;
    let now = &model.source;
    if (&now.digest, &now.weights) != (&source.digest, &source.weights) {
        return Err(changed("the model", &source.model));
    }
    if (&now.inputs_digest, now.count) != (&source.inputs_digest, source.count) {
        return Err(changed(kind, &source.inputs));
    }
    if now.input != source.input {
        let text = format!("the plan says of the input of {name} what its model does not have");
        return Err(tagged(Exit::Usage, text));
    }
    Ok(model)
}

fn absolute(path: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(path).exit_with(Exit::Usage)?;
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let text = format!("the path {} is not UTF-8, and a plan keeps it as text", path.display());
        tagged(Exit::Usage, text)
    })
}

/// The file's name without its ending, in characters that are safe anywhere;
/// with its ending where an application of our own has that name.
fn name_of(model: &Path) -> String {
    let safe = |name: &std::ffi::OsStr| -> String {
        let keep = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
        name.to_string_lossy().chars().map(keep).take(60).collect()
    };
    let stem = safe(model.file_stem().unwrap_or_default());
    match isolde_apps::find(&stem) {
        Some(_) => safe(model.file_name().unwrap_or_default()),
        None => stem,
    }
}

impl UserModel {
    /// Makes it what the plan runs; a plan that runs it already goes on to run
    /// what it runs besides.
    pub(crate) fn enter(&self, plan: &mut Plan) {
        let source = Source::Model(self.source.clone());
        if plan.sources.get(&self.name) != Some(&source) {
            plan.applications = vec![self.name.clone()];
            plan.sources = BTreeMap::from([(self.name.clone(), source)]);
        }
    }

    /// Its name in tables, and what of it is tried on the host.
    pub(crate) fn subject(&self) -> (&str, Subject) {
        let subject = Subject::Model {
            model: PathBuf::from(&self.source.model),
            inputs: self.inputs.clone(),
            input: self.source.input.clone(),
        };
        (&self.name, subject)
    }

    /// Puts it and its inputs into the root file system.
    ///
    /// # Errors
    /// What cannot be read, or was changed since it was found.
    pub(crate) fn bring(&self, provisions: &mut Provisions) -> anyhow::Result<()> {
        let place = Path::new("/").join(MODEL_IN_SANDBOX);
        let mut bring = |from: &Path, to: &Path| {
            provisions
                .bring(from, to)
                .with_context(|| format!("{} cannot be brought along", from.display()))
                .exit_with(Exit::Usage)
        };
        bring(Path::new(&self.source.model), &place)?;
        for WeightsFile { location, path, .. } in &self.weights {
            bring(path, &place.with_file_name(location))?;
        }
        for (input, path) in (0..).zip(&self.inputs) {
            bring(path, &Path::new("/").join(input_in_sandbox(input)))?;
        }
        // What was brought is what the plan says only if nothing changed meanwhile.
        again(&self.name, &self.source).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_is_safe_and_its_own() {
        let name = |path: &str| name_of(Path::new(path));
        assert_eq!(name("/models/yolo v8,n.onnx"), "yolo-v8-n");
        assert_eq!(name("road-sign.onnx"), "road-sign.onnx");
        assert_eq!(name("a\u{1b}[31m.onnx"), "a--31m");
    }
}
