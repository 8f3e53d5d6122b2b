//! Making the device's system, once per recipe.

use isolde_backends::Backend;
use isolde_backends::qemu::Qemu;
use isolde_image::{
    DebianRoot, HostKernel, Image, ImageError, ImageOrigin, Intake, IntakeError, Store, Watch,
    add_installed_kernel, check_room, find_kernels,
};
use isolde_model::Readiness;

use crate::TestbedError;
use crate::recipe::{Recipe, SUITE};

/// The unpacked system has 620 MiB, and its packages lie beside it for a while.
const ROOM_BYTES: u64 = 1 << 30;

/// Notes the kernel's release in the image's record.
const RELEASE: &str = "ISOLDE_TESTBED_KERNEL=";

/// A device's system in the cache.
#[derive(Debug, Clone)]
pub struct Built {
    /// Its files.
    pub image: Image,
    /// Release of the kernel that it boots, whose modules it has.
    pub release: String,
}

/// The system of that recipe, if it is in the cache as a whole.
#[must_use]
pub fn find(store: &Store, recipe: &Recipe) -> Option<Built> {
    let name = recipe.whole_name()?;
    let image = store.images().into_iter().find(|image| image.names.contains(&name))?;
    let release = image.config.env.iter().find_map(|line| line.strip_prefix(RELEASE))?.to_owned();
    let layers = image.layers.iter().all(|layer| store.layer(layer).is_file());
    let boots = |kernel: &HostKernel| kernel.release == release && kernel.modules.is_some();
    let kernels = find_kernels(store);
    let kernel = kernels.iter().any(|found| found.kernel.as_ref().is_ok_and(boots));
    (layers && kernel).then_some(Built { image, release })
}

/// Makes the system of that recipe from Debian's packages. Needs the network, root's
/// rights and a minute or two. `stopped` is asked ten times a second.
///
/// # Errors
/// What is missing or failed; the cache is then as before.
pub fn build(
    store: &Store,
    recipe: &Recipe,
    progress: &mut dyn FnMut(&str),
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Built, TestbedError> {
    check_host()?;
    DebianRoot::check_tool().map_err(TestbedError::Build)?;
    let folder = scratch()?;
    check_room(folder.path(), ROOM_BYTES).map_err(TestbedError::Build)?;
    let root = folder.path().join("root");
    let system = DebianRoot {
        suite: SUITE,
        architecture: "amd64",
        variant: "essential",
        packages: recipe.packages(),
    };
    system.make(&root, &mut Watch { progress, stopped }).map_err(failed)?;
    progress("taking it into the cache");
    let name = recipe.image_name();
    let intake = Intake::new(store).cancelled(stopped);
    let mut image = intake.add(&ImageOrigin::Folder(root.clone()), Some(&name)).map_err(failed)?;
    let kernel = add_installed_kernel(store, &root, "the test bed's device").map_err(failed)?;
    image.config.env = vec![format!("{RELEASE}{}", kernel.release)];
    store.keep_image(&image).map_err(failed)?;
    Ok(Built { image, release: kernel.release })
}

/// That this host can be one on which devices are made.
pub(crate) fn check_host() -> Result<(), TestbedError> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(()),
        other => Err(TestbedError::Host(other)),
    }
}

/// That it can also run them.
pub(crate) fn check_qemu() -> Result<(), TestbedError> {
    check_host()?;
    match Qemu::testbed(Vec::new()).probe() {
        Readiness::Missing(missing) => Err(TestbedError::Missing(missing)),
        Readiness::Ready(_) => Ok(()),
    }
}

fn failed(error: ImageError) -> TestbedError {
    match error {
        ImageError::Interrupted | ImageError::Intake(IntakeError::Interrupted) => {
            TestbedError::Interrupted
        }
        other => TestbedError::Build(other),
    }
}

/// A folder that `isolde clean` finds should this program be killed.
pub(crate) fn scratch() -> Result<tempfile::TempDir, TestbedError> {
    let prefix = format!("isolde-{}-testbed-", std::process::id());
    let made = tempfile::Builder::new().prefix(&prefix).tempdir();
    made.map_err(|error| TestbedError::os("make a temporary folder", error))
}
