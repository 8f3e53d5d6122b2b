//! Every environment that this program knows.

use isolde_model::EnvironmentName;

use crate::Backend;
use crate::cloud_hypervisor::CloudHypervisor;
use crate::container::Container;
use crate::docker::Docker;
use crate::firecracker::Firecracker;
use crate::microvm::Microvm;
use crate::process::Process;
use crate::qemu::Qemu;

/// All environments, in the order in which tables list them: from the weakest
/// isolation to the strongest.
#[must_use]
pub fn all() -> Vec<Box<dyn Backend>> {
    vec![
        Box::new(Process::new()),
        Box::new(Container::new()),
        Box::new(Docker::new()),
        Box::new(Microvm::new()),
        Box::new(Firecracker::booting()),
        Box::new(Firecracker::restoring()),
        Box::new(CloudHypervisor::new()),
        Box::new(Qemu::microvm()),
        Box::new(Qemu::vm()),
    ]
}

/// The environment of that name, which may have options behind it.
#[must_use]
pub fn find(name: &EnvironmentName) -> Option<Box<dyn Backend>> {
    let plain = all().into_iter().find(|backend| backend.name() == *name);
    plain.or_else(|| Some(Box::new(Firecracker::with_options(name)?)))
}
