//! What fuzzers feed: everything here that reads a stranger's bytes.

use std::io::{self, Read};
use std::path::Path;

use super::{KernelImage, deb, drivers, elf, rpm};

/// Reads `bytes` as an image of a kernel, unpacks it, and as a module.
pub fn kernel(bytes: &[u8]) {
    let _ = elf::section(bytes, ".modinfo");
    let Ok(image) = KernelImage::parse(bytes) else { return };
    let _ = (image.release(), image.is_startable());
    if let Ok(unpacked) = image.unpacked() {
        drivers::built_in(&unpacked);
    }
}

/// Reads `bytes` as a package of either kind; what is in it goes nowhere.
pub fn package(bytes: &[u8]) {
    let sink = |_: &Path, content: &mut dyn Read| {
        io::copy(content, &mut io::sink()).map(|_| ()).map_err(|error| error.to_string())
    };
    let _ = deb::read(bytes, sink);
    let _ = rpm::read(bytes, sink);
}
