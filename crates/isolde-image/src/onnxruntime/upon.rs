//! A network and its inputs upon the base.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::base::scratch;
use super::{Inputs, VERSION};
use crate::{Image, ImageConfig, ImageError, Intake, Store, check_room};

/// The program in the image.
const PROGRAM: &str = include_str!("infer.py");
/// The folder with everything, in the image.
const FOLDER: &str = "app";

/// What such an image does.
pub struct Work<'a> {
    /// The network as an ONNX file with one input.
    pub network: &'a [u8],
    /// What it is given in turn.
    pub inputs: &'a Inputs,
}

/// Makes an image called `name` that does `work`. Equal work upon the same base is
/// the same image. `base` must stay in the cache meanwhile (`Store::hold`).
///
/// # Errors
/// What cannot be written, or that it was stopped.
pub fn image(
    store: &Store,
    base: &Image,
    work: &Work<'_>,
    name: &str,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Image, ImageError> {
    let folder = scratch()?;
    let bytes = work.network.len() + work.inputs.bytes();
    check_room(folder.path(), bytes as u64)?;
    let root = folder.path().join("root");
    lay_out(&root.join(FOLDER), work)?;
    let program = format!("/{FOLDER}/infer.py");
    let config = ImageConfig {
        entrypoint: vec!["python3".into(), program],
        // It may run on a root file system that takes no writing.
        env: vec!["PYTHONDONTWRITEBYTECODE=1".into()],
        workdir: format!("/{FOLDER}"),
        ..ImageConfig::default()
    };
    let origin = format!("a network for ONNX Runtime {VERSION}");
    Intake::new(store).cancelled(stopped).add_upon(base, &root, config, &origin, name)
}

/// Writes the files, with nothing about them that differs from one time to the next.
fn lay_out(folder: &Path, work: &Work<'_>) -> Result<(), ImageError> {
    fs::create_dir_all(folder).map_err(|error| ImageError::file("make", folder, error))?;
    put(&folder.join("infer.py"), |file| file.write_all(PROGRAM.as_bytes()))?;
    put(&folder.join("network.onnx"), |file| file.write_all(work.network))?;
    put(&folder.join("inputs.npy"), |file| work.inputs.write(file))?;
    settle(folder, 0o755).map_err(|error| ImageError::file("write", folder, error))
}

fn put(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), ImageError> {
    let written = File::create_new(path).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.flush()?;
        settle(path, 0o644)
    });
    written.map_err(|error| ImageError::file("write", path, error))
}

/// Gives a file or folder a mode and a time that no umask or clock decides.
fn settle(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    File::open(path)?.set_modified(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ImageOrigin;
    use crate::onnxruntime::MOST_VALUES;

    #[test]
    fn the_program_tells_as_many_values_as_are_promised() {
        assert!(PROGRAM.contains(&format!("\nMOST_VALUES = {MOST_VALUES}\n")));
    }

    #[test]
    fn equal_work_is_one_image_upon_the_base() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        let root = folder.path().join("base");
        fs::create_dir_all(root.join("bin")).unwrap();
        let base = Intake::new(&store).add(&ImageOrigin::Folder(root), Some("base:1")).unwrap();
        let mut inputs = Inputs::default();
        assert!(inputs.push(&[1, 2], vec![0.5, 1.0]));
        let make = |network: &[u8], name| {
            image(&store, &base, &Work { network, inputs: &inputs }, name, &|| false).unwrap()
        };
        let first = make(b"network", "a:1");
        let again = make(b"network", "b:1");
        assert_eq!((&first.id, &first.layers), (&again.id, &again.layers));
        assert_eq!(again.names, ["a:1", "b:1"]);
        assert_eq!((first.layers.len(), &first.layers[0]), (2, &base.layers[0]));
        assert_eq!(first.config.entrypoint, ["python3", "/app/infer.py"]);
        assert_ne!(make(b"another", "c:1").id, first.id);
        let mut layer = tar::Archive::new(File::open(store.layer(&first.layers[1])).unwrap());
        let header = |entry: tar::Entry<'_, File>| {
            let header = entry.header();
            let path = entry.path().unwrap().display().to_string();
            (path, header.mode().unwrap() & 0o777, header.mtime().unwrap())
        };
        let found: Vec<_> = layer.entries().unwrap().map(|entry| header(entry.unwrap())).collect();
        let file = |name: &str| (format!("app/{name}"), 0o644, 0);
        let files = ["infer.py", "inputs.npy", "network.onnx"].map(file);
        assert_eq!(found[0].0.trim_end_matches('/'), "app");
        assert_eq!((found[0].1, found[0].2), (0o755, 0));
        assert_eq!(found[1..], files);
    }
}
