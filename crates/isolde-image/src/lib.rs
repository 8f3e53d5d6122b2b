//! What goes into a sandbox, in the form that the sandbox wants it: a
//! directory, an ext4 image, a tar archive; and the kernel and initramfs of
//! sandboxes that bring their own. Images of applications are taken in from
//! registries, engines, archives and folders by an [`Intake`]. Nothing here
//! knows of back ends.
//!
//! Everything made is kept in a [`Store`], a cache folder keyed by digest.

mod contents;
mod debian;
mod error;
mod export;
mod ext4;
mod forms;
mod hashes;
mod image;
mod intake;
mod kernel;
mod layer;
mod merged;
pub mod onnxruntime;
mod store;
mod tool;
mod tree;
mod upkeep;

pub use debian::{DebianRoot, check_room};
pub use error::ImageError;
pub use export::{Account, ExportForm, export_image};
pub use image::{Image, ImageConfig};
pub use intake::{
    ImageName, ImageOrigin, Intake, IntakeError, Limits, Platform, Progress, add_image, bring_image,
};
pub use kernel::fuzzing as kernel_fuzzing;
pub use kernel::{
    CpioArchive, CpioNode, FoundKernel, HostKernel, ImageFormat, KernelError, KernelImage,
    KernelSource, Machine, Watch, add_installed_kernel, add_kernel, build_kernel, choose_kernel,
    fetch_package_kernel, find_kernels,
};
pub use merged::check_layers;
pub use store::Store;
pub use tool::Tool;
pub use tree::RootTree;
pub use upkeep::{Form, Freed, Hold, Removed, Usage};
