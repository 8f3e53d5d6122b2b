//! An application's networks and the very inputs that they get, for other engines.

mod npz;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use serde_json::json;

use self::npz::NpzWriter;
use crate::catalogue::{Choice, Size, find, network_file};
use crate::{AppError, Application, Threads, answer};

/// Version of what [`export`] writes.
const SCHEMA: u32 = 1;
/// The file that says what is in the folder.
const LIST: &str = "export.json";

/// What could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The application does not work.
    #[error(transparent)]
    Application(#[from] AppError),
    /// A file could not be written or copied.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Writes into the new folder `out`: each network as `NAME.onnx`; what it gets for the
/// bundled inputs as `NAME.npz` with an array `input_000` and so on for each; and
/// `export.json`, which names networks and inputs in their order and gives the number
/// that stands for each answer. `networks` is the folder with networks of reference
/// size.
///
/// # Errors
/// That the application does not work, or what could not be written.
pub fn export(choice: &Choice, networks: &Path, out: &Path) -> Result<(), ExportError> {
    let threads = Threads::new(1);
    let mut application = choice.load(networks, &threads)?;
    fs::create_dir(out).map_err(written(out))?;
    for name in choice.description.networks {
        write_network(choice, name, networks, out)?;
    }
    let labels = write_inputs(choice, &mut *application, out)?;
    let list = json!({
        "schema": SCHEMA,
        "application": choice.to_string(),
        "networks": choice.description.networks,
        "inputs": choice.description.input_names(),
        "labels": labels,
    });
    let path = out.join(LIST);
    fs::write(&path, format!("{list:#}\n")).map_err(written(&path))
}

fn written(path: &Path) -> impl Fn(io::Error) -> ExportError {
    move |source| ExportError::Write { path: path.to_owned(), source }
}

fn write_network(
    choice: &Choice,
    name: &str,
    networks: &Path,
    out: &Path,
) -> Result<(), ExportError> {
    let path = out.join(network_file(name));
    let result = match (choice.size, find(name).and_then(|own| own.compact_network())) {
        (Size::Compact, Some(network)) => fs::write(&path, network),
        _ => fs::copy(networks.join(network_file(name)), &path).map(|_| ()),
    };
    result.map_err(written(&path))
}

/// Runs the application over its inputs and writes what its networks get.
fn write_inputs(
    choice: &Choice,
    application: &mut dyn Application,
    out: &Path,
) -> Result<Vec<u32>, ExportError> {
    let mut archives = Vec::new();
    for name in choice.description.networks {
        let path = out.join(format!("{name}.npz"));
        let file = File::create_new(&path).map_err(written(&path))?;
        archives.push((NpzWriter::new(BufWriter::new(file)), path));
    }
    let mut labels = Vec::new();
    for input in 0..(choice.description.inputs)() {
        labels.push(answer(application, input)?);
        // One network for each task that has one, in their order.
        let tasks = 0..application.tasks().len().max(1);
        let given = tasks.filter_map(|task| application.network_input(task));
        for (given, (archive, path)) in given.zip(&mut archives) {
            archive.add(&format!("input_{input:03}"), &given).map_err(written(path))?;
        }
    }
    for (archive, path) in archives {
        archive.finish().map_err(written(&path))?;
    }
    Ok(labels)
}
