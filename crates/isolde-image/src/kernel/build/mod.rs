//! A small kernel without modules, made of a distribution's own source package and
//! the configuration in `crates/isolde-image/kernel`.

mod config;
mod source;

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::add::{kernels_in, machines};
use super::find::ORIGIN;
use super::{HostKernel, Machine};
use crate::store::HalfMade;
use crate::tool::Tool;
pub use crate::tool::Watch;
use crate::tree::hex;
use crate::{ImageError, Store};
pub use source::KernelSource;
use source::Source;

/// Raised with every change of how a kernel is made.
const VERSION: u32 = 1;

const GCC: Tool = Tool { name: "gcc", package: "gcc" };
const MAKE: Tool = Tool { name: "make", package: "make" };
const STRIP: Tool = Tool { name: "strip", package: "binutils" };
const TAR: Tool = Tool { name: "tar", package: "tar" };

/// All that the kernel's build starts, Documentation/process/changes.rst.
const TOOLS: [Tool; 10] = [
    GCC,
    MAKE,
    STRIP,
    TAR,
    Tool { name: "ld", package: "binutils" },
    Tool { name: "flex", package: "flex" },
    Tool { name: "bison", package: "bison" },
    Tool { name: "bc", package: "bc" },
    Tool { name: "perl", package: "perl" },
    Tool { name: "xz", package: "xz-utils" },
];

/// For objtool, which checks x86 kernels.
const LIBELF: &str = "/usr/include/libelf.h";

const QUICK: Duration = Duration::from_secs(600);
/// On a Raspberry Pi a small kernel takes most of an hour.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// What is the same in every build, so that equal inputs give an equal kernel.
const ENVIRONMENT: [(&str, &str); 8] = [
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KBUILD_BUILD_USER", "isolde"),
    ("KBUILD_BUILD_HOST", "isolde"),
    ("KBUILD_BUILD_VERSION", "1"),
    // Not what the caller's own build has in mind.
    ("ARCH", ARCHITECTURE),
    ("CROSS_COMPILE", ""),
    ("MAKEFLAGS", ""),
    ("KCFLAGS", ""),
];

/// The kernel's name of this host's architecture.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// Builds a kernel without modules and keeps it by its inputs: source,
/// configuration and compiler. One that was built before is given at once.
///
/// # Errors
/// Which tools are missing, what failed, that the configuration does not fit the
/// source, or that the caller wished to stop; nothing is kept then.
pub fn build_kernel(
    store: &Store,
    source: &KernelSource,
    jobs: usize,
    watch: &mut Watch<'_>,
) -> Result<HostKernel, ImageError> {
    check_tools()?;
    let kernels = store.place(Store::KERNELS, "");
    let source = Source::find(source, store, &kernels)?;
    let compiler = GCC.run(["--version"], &[], &kernels, QUICK)?;
    let compiler = compiler.lines().next().unwrap_or_default();
    let inputs = format!(
        "isolde built kernel {VERSION}\n{}\n{compiler}\n{}",
        source.identity,
        config::FRAGMENT
    );
    let name = hex(&Sha256::digest(inputs));
    let place = store.keep(Store::KERNELS, &name, |folder| {
        let scratch = HalfMade::new(&kernels);
        fs::create_dir(scratch.path())
            .map_err(|error| ImageError::file("make", scratch.path(), error))?;
        let tree = source.unpack(scratch.path(), watch)?;
        let out = compile(&tree, scratch.path(), jobs, watch)?;
        install(&out, folder, &format!("built from {}", source.name))?;
        accept(folder, store)
    })?;
    let kernels = kernels_in(&place, store)?;
    kernels.into_iter().next().ok_or_else(|| failed("its image has gone"))
}

fn failed(reason: impl Into<String>) -> ImageError {
    ImageError::Build { reason: reason.into() }
}

/// All that is missing at once, so that one command brings it.
fn check_tools() -> Result<(), ImageError> {
    let missing = TOOLS.iter().filter(|tool| tool.find().is_err()).map(|tool| tool.package);
    let mut packages: Vec<&str> = missing.collect();
    if !Path::new(LIBELF).exists() {
        packages.push("libelf-dev");
    }
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let packages = packages.join(" ");
    Err(failed(format!("tools are missing: sudo apt-get install --yes {packages}")))
}

/// Configures and compiles the tree; gives the folder with what was made.
fn compile(
    tree: &Path,
    scratch: &Path,
    jobs: usize,
    watch: &mut Watch<'_>,
) -> Result<std::path::PathBuf, ImageError> {
    let (out, fragment) = (scratch.join("out"), scratch.join("fragment"));
    fs::create_dir(&out).map_err(|error| ImageError::file("make", &out, error))?;
    fs::write(&fragment, config::FRAGMENT)
        .map_err(|error| ImageError::file("write", &fragment, error))?;
    let out_argument = format!("O={}", out.display());
    let all = format!("KCONFIG_ALLCONFIG={}", fragment.display());
    MAKE.follow([&*out_argument, &all, "allnoconfig"], &ENVIRONMENT, tree, QUICK, watch)?;
    let config = out.join(".config");
    let text =
        fs::read_to_string(&config).map_err(|error| ImageError::file("read", &config, error))?;
    for line in config::without_effect(config::FRAGMENT, &text) {
        (watch.progress)(&format!("warning: {line} has no effect in this kernel"));
    }
    let jobs = format!("-j{jobs}");
    let target = if cfg!(target_arch = "aarch64") { "Image" } else { "vmlinux" };
    MAKE.follow([&*out_argument, &jobs, target], &ENVIRONMENT, tree, PATIENCE, watch)?;
    Ok(out)
}

/// Puts the kernel into the new folder, as packages are put there: an image, and
/// a list of what is built in beside an empty one of modules.
fn install(out: &Path, folder: &Path, origin: &str) -> Result<(), ImageError> {
    let release = out.join("include/config/kernel.release");
    let release =
        fs::read_to_string(&release).map_err(|error| ImageError::file("read", &release, error))?;
    let release = release.trim();
    let (boot, modules) = (folder.join("boot"), folder.join("lib/modules").join(release));
    for folder in [&boot, &modules] {
        fs::create_dir_all(folder).map_err(|error| ImageError::file("make", folder, error))?;
    }
    if cfg!(target_arch = "aarch64") {
        copy(&out.join("arch/arm64/boot/Image"), &boot.join(format!("vmlinuz-{release}")))?;
    } else {
        // Without its symbols it is smaller and read faster.
        let image = boot.join(format!("vmlinux-{release}"));
        STRIP.run(
            [Path::new("-s"), Path::new("-o"), &image, &out.join("vmlinux")],
            &[],
            out,
            QUICK,
        )?;
    }
    copy(&out.join(".config"), &boot.join(format!("config-{release}")))?;
    copy(&out.join("modules.builtin"), &modules.join("modules.builtin"))?;
    for (path, text) in [(modules.join("modules.dep"), ""), (folder.join(ORIGIN), origin)] {
        fs::write(&path, text).map_err(|error| ImageError::file("write", &path, error))?;
    }
    let sync = || rustix::fs::syncfs(File::open(folder)?).map_err(std::io::Error::from);
    sync().map_err(|error| ImageError::file("write", folder, error))
}

fn copy(from: &Path, to: &Path) -> Result<(), ImageError> {
    fs::copy(from, to).map(|_| ()).map_err(|error| ImageError::file("read", from, error))
}

/// A kernel of ours boots every kind of machine, or the source is not fit for it.
fn accept(folder: &Path, store: &Store) -> Result<(), ImageError> {
    let kernels = kernels_in(folder, store)?;
    let kernel = kernels.first().ok_or_else(|| failed("its image is not where it should be"))?;
    let mut lacks: Vec<String> = machines().iter().flat_map(|needs| kernel.lacks(needs)).collect();
    lacks.dedup();
    if kernel.machine != Machine::HOST || !lacks.is_empty() {
        let lacks = lacks.join(", ");
        return Err(failed(format!("{} is not fit for guests: {lacks}", kernel.release)));
    }
    Ok(())
}
