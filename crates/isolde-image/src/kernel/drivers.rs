//! Which drivers a guest's machine needs, and which an image has built in.

use std::borrow::Cow;

use isolde_model::{Bus, GuestLine, GuestNeeds};

use super::field::find;
use super::modules::Modules;
use super::{HostKernel, KernelImage, read_bounded, read_unpacked};

/// A driver that some machine needs.
struct Driver {
    /// Name of its module.
    module: &'static str,
    /// Its option in a kernel's configuration.
    option: &'static str,
    /// The name under which it registers itself, a string in the image.
    registered: &'static [u8],
}

const VIRTIO_PCI: &str = "virtio_pci";
const VIRTIO_MMIO: &str = "virtio_mmio";
const VIRTIO_BLK: &str = "virtio_blk";
const VIRTIO_CONSOLE: &str = "virtio_console";
const VSOCK: &str = "vmw_vsock_virtio_transport";
const EXT4: &str = "ext4";
/// No module of its own: virtio_mmio with devices named on the command line.
const BY_PARAMETER: &str = "virtio_mmio by parameter";
const BY_PARAMETER_OPTION: &str = "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES";
/// The parent of such devices in drivers/virtio/virtio_mmio.c.
const BY_PARAMETER_NAME: &[u8] = b"virtio-mmio-cmdline\0";
/// Loaded only where a root is put together by it.
pub(crate) const OVERLAY: &str = "overlay";

#[rustfmt::skip]
const DRIVERS: [Driver; 8] = [
    Driver { module: VIRTIO_PCI, option: "CONFIG_VIRTIO_PCI", registered: b"virtio-pci\0" },
    Driver { module: VIRTIO_MMIO, option: "CONFIG_VIRTIO_MMIO", registered: b"virtio-mmio\0" },
    Driver { module: BY_PARAMETER, option: BY_PARAMETER_OPTION, registered: BY_PARAMETER_NAME },
    Driver { module: VIRTIO_BLK, option: "CONFIG_VIRTIO_BLK", registered: b"virtio_blk\0" },
    Driver { module: VIRTIO_CONSOLE, option: "CONFIG_VIRTIO_CONSOLE", registered: b"virtio_console\0" },
    Driver { module: VSOCK, option: "CONFIG_VIRTIO_VSOCKETS", registered: b"vmw_vsock_virtio_transport\0" },
    Driver { module: EXT4, option: "CONFIG_EXT4_FS", registered: b"ext4\0" },
    Driver { module: OVERLAY, option: "CONFIG_OVERLAY_FS", registered: b"overlayfs: " },
];

/// Loaded where the kernel has them as modules: the PCI host bridge of arm64's
/// `virt` machine, and the checksum that ext4 asks the kernel for by name, a
/// dependency that modules.dep does not know.
const SILENT_DEPENDENCIES: [(&str, &str); 2] =
    [(VIRTIO_PCI, "pci_host_generic"), (EXT4, "crc32c_generic")];

/// Names of the drivers of a machine, in the order in which they are loaded: the
/// bus, the root disk, the line to the agent, and the root file system.
pub(crate) fn of_machine(needs: &GuestNeeds) -> [&'static str; 4] {
    let bus = match needs.bus {
        Bus::Pci => VIRTIO_PCI,
        Bus::Mmio | Bus::MmioByParameter => VIRTIO_MMIO,
    };
    let line = match needs.line {
        GuestLine::Port => VIRTIO_CONSOLE,
        GuestLine::Vsock => VSOCK,
    };
    [bus, VIRTIO_BLK, line, EXT4]
}

/// Whether the kernel takes devices on its command line. Elsewhere than on x86-64 a
/// device tree names them.
pub(super) fn hears_of_devices(kernel: &HostKernel, modules: &Modules) -> bool {
    if !cfg!(target_arch = "x86_64") || kernel.built_in.iter().any(|name| name == BY_PARAMETER) {
        return true;
    }
    let config = kernel.image.with_file_name(format!("config-{}", kernel.release));
    if let Ok(text) = read_bounded(&config) {
        let line = format!("{BY_PARAMETER_OPTION}=y");
        return String::from_utf8_lossy(&text).lines().any(|found| found == line);
    }
    let holder = match modules.is_loadable(VIRTIO_MMIO) {
        true => modules.load_order(&[VIRTIO_MMIO]).ok().and_then(|order| order.last().cloned()),
        false => None,
    };
    let content = match holder {
        Some(module) => read_unpacked(&module).ok(),
        None => read_bounded(&kernel.image).ok().and_then(|bytes| {
            KernelImage::parse(&bytes).ok()?.unpacked().ok().map(Cow::into_owned)
        }),
    };
    content.is_some_and(|content: Vec<u8>| find(&content, BY_PARAMETER_NAME).is_some())
}

/// The same with what they depend on silently in `modules`' kernel.
pub(crate) fn to_load(needs: &GuestNeeds, modules: &Modules) -> Vec<&'static str> {
    let mut names = Vec::new();
    for driver in of_machine(needs) {
        let silent = SILENT_DEPENDENCIES.iter().filter(|(of, _)| *of == driver);
        names.extend(silent.map(|&(_, name)| name).filter(|name| modules.is_loadable(name)));
        names.push(driver);
    }
    names
}

/// Drivers that are built into an unpacked image: by its configuration where it
/// carries one, else by the names under which drivers register themselves.
pub(super) fn built_in(image: &[u8]) -> Vec<String> {
    let configuration = configuration(image);
    let has = |driver: &&Driver| match &configuration {
        Some(text) => {
            text.lines().any(|line| line.strip_suffix("=y").is_some_and(|o| o == driver.option))
        }
        None => find(image, driver.registered).is_some(),
    };
    DRIVERS.iter().filter(has).map(|driver| driver.module.to_owned()).collect()
}

/// What CONFIG_IKCONFIG puts into an image (kernel/configs.c of Linux).
fn configuration(image: &[u8]) -> Option<String> {
    const START: &[u8] = b"IKCFG_ST";
    const LIMIT: usize = 4 << 20;
    let packed = &image[find(image, START)? + START.len()..];
    let text = super::unpack::unpack(packed, LIMIT).ok()?;
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write;

    #[test]
    fn the_configuration_inside_goes_before_names() {
        let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed
            .write_all(b"CONFIG_VIRTIO_BLK=y\n# CONFIG_EXT4_FS is not set\nCONFIG_VIRTIO_PCI=m\n")
            .unwrap();
        let config = packed.finish().unwrap();
        let image = [b"\0ext4\0virtio-pci\0", &b"IKCFG_ST"[..], &config, b"IKCFG_ED"].concat();
        assert_eq!(built_in(&image), ["virtio_blk"]);
        assert_eq!(built_in(b"..virtio-mmio\0..ext4\0"), ["virtio_mmio", "ext4"]);
    }
}
