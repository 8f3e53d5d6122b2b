//! What goes into a sandbox, in the form that the sandbox wants it: a
//! directory, an ext4 image, a tar archive; and the kernel and initramfs of
//! sandboxes that bring their own. Nothing here knows of back ends.
//!
//! Everything made is kept in a [`Store`], a cache folder keyed by digest.

mod error;
mod ext4;
mod forms;
mod hashes;
mod image;
mod kernel;
mod store;
mod tool;
mod tree;

pub use error::ImageError;
pub use image::{Image, ImageConfig};
pub use kernel::fuzzing as kernel_fuzzing;
pub use kernel::{
    FoundKernel, HostKernel, ImageFormat, KernelError, KernelImage, KernelSource, Machine, Watch,
    add_kernel, build_kernel, choose_kernel, fetch_package_kernel, find_kernels,
};
pub use store::Store;
pub use tree::RootTree;
