//! The base of the images: Python, `NumPy` and ONNX Runtime.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::geteuid;
use sha2::{Digest, Sha256};

use super::VERSION;
use crate::tool::NO_SPACE;
use crate::{
    DebianRoot, Image, ImageError, ImageName, ImageOrigin, Intake, Platform, Store, Tool, Watch,
    check_room,
};

const PIP: Tool = Tool { name: "pip3", package: "python3-pip" };
const CHROOT: Tool = Tool { name: "chroot", package: "coreutils" };

/// Debian's release, and the version of Python that it has.
const SUITE: &str = "bookworm";
const PYTHON: &str = "3.11";

/// Python with its library, and what the wheels are linked against.
const PACKAGES: [&str; 3] = ["libpython3-stdlib", "libstdc++6", "python3-minimal"];

/// The wheels of both architectures, each with its digest: what the index gives must
/// be these very files.
const WHEELS: &str = include_str!("wheels.txt");

/// Where Debian's Python looks for packages that are no part of its library.
const PLACE: &str = "usr/lib/python3/dist-packages";

/// Raised with every change of how the base is made that the rest does not show.
const RECIPE: u32 = 1;

/// For 45 MB on a slow line.
const PATIENCE: Duration = Duration::from_secs(1800);
/// For some thousand files to be compiled.
const COMPILING: Duration = Duration::from_secs(600);

/// The files have 230 MiB; archives lie beside them for a while.
const ROOM_BYTES: u64 = 512 << 20;

/// The base, if the cache has it as a whole.
#[must_use]
pub fn find_base(store: &Store) -> Option<Image> {
    let name = name().parse::<ImageName>().ok()?.to_string();
    let image = store.images().into_iter().find(|image| image.names.contains(&name))?;
    image.layers.iter().all(|layer| store.has_layer(layer)).then_some(image)
}

/// Makes the base and puts it into the cache. Needs the network, root's rights and a
/// minute. Whoever goes on with it holds the cache (`Store::hold`) from before.
///
/// # Errors
/// What is missing or failed; the cache is then as before.
pub fn base(
    store: &Store,
    progress: &mut dyn FnMut(&str),
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Image, ImageError> {
    let platform = Platform::host();
    let (architecture, wheels) = architecture(&platform)?;
    if !geteuid().is_root() {
        return Err(failed("it takes the rights of root: run this with sudo"));
    }
    DebianRoot::check_tool()?;
    PIP.find()?;
    let folder = scratch()?;
    check_room(folder.path(), ROOM_BYTES)?;
    let root = folder.path().join("root");
    let mut watch = Watch { progress, stopped };
    let packages = PACKAGES.map(str::to_owned);
    let system = DebianRoot { suite: SUITE, architecture, variant: "extract", packages: &packages };
    system
        .make(&root, &mut watch)
        .map_err(|error| explained(error, "is Debian's package mirror to be reached from here?"))?;
    install(&root, folder.path(), wheels, &mut watch)?;
    compile(&root, folder.path(), &mut watch)?;
    (watch.progress)("taking it into the cache");
    let intake = Intake::new(store).cancelled(stopped);
    let mut image = intake.add(&ImageOrigin::Folder(root), Some(&name()))?;
    image.origin = format!("Debian's {SUITE}, {} of the Python package index", pins());
    store.keep_image(&image)?;
    Ok(image)
}

/// Debian's name of this architecture, and that of its wheels.
fn architecture(platform: &Platform) -> Result<(&'static str, &'static str), ImageError> {
    match platform.architecture.as_str() {
        "amd64" => Ok(("amd64", "x86_64")),
        "arm64" => Ok(("arm64", "aarch64")),
        other => Err(failed(&format!(
            "the Python package index has no ONNX Runtime for {other}: use a host of amd64 or arm64"
        ))),
    }
}

/// Its name in the cache, the same for equal recipes.
fn name() -> String {
    let recipe = format!("{RECIPE}\n{SUITE} {PYTHON}\n{}\n{WHEELS}", PACKAGES.join(" "));
    let digest = Sha256::digest(format!("{recipe}\n{}", Platform::host()));
    let tag: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("isolde/onnxruntime-base:{VERSION}-{tag}")
}

/// Puts the wheels into the root file system. The host's own Python need not be of
/// the same version.
fn install(
    root: &Path,
    folder: &Path,
    architecture: &str,
    watch: &mut Watch<'_>,
) -> Result<(), ImageError> {
    let list = folder.join("wheels.txt");
    fs::write(&list, WHEELS).map_err(|error| ImageError::file("write", &list, error))?;
    let temporary = folder.display().to_string();
    let mut arguments: Vec<String> = [
        "install",
        "--no-deps",
        "--only-binary=:all:",
        "--implementation=cp",
        "--no-compile",
        "--no-cache-dir",
        "--require-hashes",
        "--progress-bar=off",
        "--retries=2",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--python-version={PYTHON}"));
    arguments.push(format!("--platform=manylinux_2_28_{architecture}"));
    arguments.push(format!("--target={}", root.join(PLACE).display()));
    arguments.push(format!("--requirement={}", list.display()));
    let environment = [
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("PIP_ROOT_USER_ACTION", "ignore"),
        // What it leaves when it is killed goes with the folder.
        ("TMPDIR", temporary.as_str()),
    ];
    PIP.follow(arguments, &environment, folder, PATIENCE, watch).map_err(|error| {
        explained(
            error,
            &format!(
                "is the Python package index to be reached from here, and does it have {} for \
                 Python {PYTHON}? Another is named with PIP_INDEX_URL",
                pins()
            ),
        )
    })
}

/// The wheels in words.
fn pins() -> String {
    let pin = |line: &str| {
        let (package, rest) = line.split_once("==")?;
        Some(format!("{package} {}", rest.split(' ').next()?))
    };
    let pins: Vec<String> = WHEELS.lines().filter_map(pin).collect();
    pins.join(" and ")
}

/// Compiles all of Python's files, as an installation by dpkg and pip would have:
/// otherwise every launch does, and the engine's start is not what it could be.
fn compile(root: &Path, folder: &Path, watch: &mut Watch<'_>) -> Result<(), ImageError> {
    let root = root.display().to_string();
    let python = format!("/usr/bin/python{PYTHON}");
    let library = format!("/usr/lib/python{PYTHON}");
    let arguments = [
        root.as_str(),
        &python,
        "-m",
        "compileall",
        "-qq",
        // Valid whatever time a form of the image gives the files.
        "--invalidation-mode=unchecked-hash",
        &library,
        "/usr/lib/python3",
    ];
    (watch.progress)("compiling Python's files");
    CHROOT.follow(arguments, &[], folder, COMPILING, watch)
}

/// A folder that `isolde clean` finds should this program be killed.
pub(super) fn scratch() -> Result<tempfile::TempDir, ImageError> {
    let prefix = format!("isolde-{}-onnxruntime-", std::process::id());
    let made = tempfile::Builder::new().prefix(&prefix).tempdir();
    made.map_err(|error| ImageError::file("make a folder in", std::env::temp_dir(), error))
}

fn failed(reason: &str) -> ImageError {
    ImageError::OnnxRuntime { reason: reason.to_owned() }
}

/// A tool's failure with what to look at, unless the disk is full.
fn explained(error: ImageError, question: &str) -> ImageError {
    match error {
        ImageError::ToolFailed { tool, said } => {
            let full = said.contains(NO_SPACE);
            let hint = if full { "set TMPDIR to a folder with more room" } else { question };
            failed(&format!("{tool} failed: {said}; {hint}"))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wheels_are_pinned_for_both_architectures() {
        assert_eq!(pins(), format!("onnxruntime {VERSION} and numpy 2.4.6"));
        assert_eq!(WHEELS.matches("--hash=sha256:").count(), 4);
    }

    #[test]
    fn the_base_has_a_name_and_only_two_architectures() {
        assert!(name().parse::<ImageName>().is_ok(), "{}", name());
        let of = |text: &str| architecture(&text.parse().unwrap());
        assert_eq!(of("linux/arm64").unwrap(), ("arm64", "aarch64"));
        let error = of("linux/riscv64").unwrap_err().to_string();
        assert!(error.contains("riscv64"), "{error}");
    }
}
