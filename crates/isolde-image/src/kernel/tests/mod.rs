//! Kernels and packages, sound and broken, from the outside: images made up here,
//! and Debian's own where it is installed.

mod packages;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use isolde_model::{Bus, GuestLine, GuestNeeds, KernelForm};
use proptest::prelude::*;

use super::*;
use packages::{deb, rpm, tar};

const BANNER: &[u8] = b"Linux version %s\0Linux version 6.6.31+rpt-rpi-v8 (serge@raspberry) #1\0";
const PC: GuestNeeds = GuestNeeds {
    form: KernelForm::Distribution,
    bus: Bus::Pci,
    line: GuestLine::Port,
    overlay: false,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// An executable ELF file for `machine` with one segment that holds `content`, and a
/// PVH note.
fn elf_file(machine: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 64 + 2 * 56];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[16] = 2;
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[32] = 64;
    (bytes[54], bytes[56]) = (56, 2);
    let mut segment = |at: usize, kind: u8, offset: usize, length: usize| {
        bytes[at] = kind;
        bytes[at + 8..at + 16].copy_from_slice(&(offset as u64).to_le_bytes());
        bytes[at + 32..at + 40].copy_from_slice(&(length as u64).to_le_bytes());
    };
    segment(64, 1, 176, content.len());
    segment(120, 4, 176 + content.len(), 24);
    bytes.extend_from_slice(content);
    bytes.extend_from_slice(b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0\0\0\0\0\0\0\0\0");
    bytes
}

fn bzimage(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    bytes[0x1f1] = 1;
    bytes[0x202..0x206].copy_from_slice(b"HdrS");
    bytes[0x206..0x208].copy_from_slice(&0x20fu16.to_le_bytes());
    bytes[0x20e..0x210].copy_from_slice(&0x100u16.to_le_bytes());
    bytes[0x236] = 1;
    bytes[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes[0x300..0x312].copy_from_slice(b"6.1.0-9-amd64 (x)\0");
    bytes.extend_from_slice(payload);
    bytes
}

fn arm_image(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[56..60].copy_from_slice(b"ARM\x64");
    bytes.extend_from_slice(content);
    bytes
}

fn zboot(packing: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[4..8].copy_from_slice(b"zimg");
    bytes[8] = 64;
    bytes[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes[24..24 + packing.len()].copy_from_slice(packing);
    bytes[56..60].copy_from_slice(b"ARM\x64");
    bytes.extend_from_slice(payload);
    bytes
}

/// What can be told of an image, or what is wrong with it.
fn read(bytes: &[u8]) -> Result<(ImageFormat, String, Vec<u8>), KernelError> {
    let image = KernelImage::parse(bytes)?;
    Ok((image.format(), image.release()?, image.unpacked()?.into_owned()))
}

/// A module with nothing but what depmod would read.
fn module(depends: &str) -> Vec<u8> {
    let information = format!("license=GPL\0depends={depends}\0");
    let names = b"\0.modinfo\0";
    let mut bytes = vec![0; 64 + 3 * 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[40] = 64;
    (bytes[58], bytes[60], bytes[62]) = (64, 3, 2);
    bytes[128] = 1;
    let at = bytes.len();
    for (entry, offset, length) in
        [(128, at, information.len()), (192, at + information.len(), names.len())]
    {
        bytes[entry + 24..entry + 32].copy_from_slice(&(offset as u64).to_le_bytes());
        bytes[entry + 32..entry + 40].copy_from_slice(&(length as u64).to_le_bytes());
    }
    bytes.extend_from_slice(information.as_bytes());
    bytes.extend_from_slice(names);
    bytes
}

struct Bench {
    folder: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        Self { folder, store }
    }

    /// Adds files of these contents.
    fn add(&self, files: &[&[u8]]) -> Result<Vec<HostKernel>, String> {
        let paths: Vec<PathBuf> = files
            .iter()
            .enumerate()
            .map(|(index, bytes)| {
                let path = self.folder.path().join(format!("file-{index}"));
                fs::write(&path, bytes).unwrap();
                path
            })
            .collect();
        add_kernel(&self.store, &paths).map_err(|error| choose::words(Path::new(""), &error))
    }

    fn kept(&self) -> usize {
        fs::read_dir(self.store.place(Store::KERNELS, "")).unwrap().count()
    }
}

#[test]
fn every_format_gives_its_release_and_what_is_packed_in_it() {
    let elf = elf_file(62, BANNER);
    let arm = arm_image(BANNER);
    for (bytes, format, release, unpacked) in [
        (bzimage(&gzip(&elf)), ImageFormat::BzImage, "6.1.0-9-amd64", &elf),
        (elf.clone(), ImageFormat::Elf, "6.6.31+rpt-rpi-v8", &elf),
        (arm.clone(), ImageFormat::Image, "6.6.31+rpt-rpi-v8", &arm),
        (gzip(&arm), ImageFormat::PackedImage, "6.6.31+rpt-rpi-v8", &arm),
        (zboot(b"gzip", &gzip(&arm)), ImageFormat::Zboot, "6.6.31+rpt-rpi-v8", &arm),
    ] {
        let found = read(&bytes).unwrap();
        assert_eq!((found.0, found.1.as_str()), (format, release));
        assert!(found.2 == *unpacked, "{format:?}");
    }
    assert!(KernelImage::parse(&elf).unwrap().is_startable());
}

#[test]
fn what_is_wrong_with_an_image_is_told() {
    let elf = elf_file(62, BANNER);
    let sound = bzimage(&gzip(&elf));
    let mut outside = sound.clone();
    outside[0x24b] = 0x7f;
    let mut old = sound.clone();
    old[0x236] = 0;
    let bomb = bzimage(&gzip(&vec![0; unpack::LIMIT + 1]));
    for (bytes, words) in [
        (vec![], "neither a bzImage"),
        (b"#!/bin/sh\n".to_vec(), "neither a bzImage"),
        (sound[..0x210].to_vec(), "cut off: its header"),
        (sound[..sound.len() - 9].to_vec(), "the file has"),
        (outside, "damaged, copy it again"),
        (old, "32-bit x86"),
        (bomb, "more than 256 MiB"),
        (bzimage(b"BZh91AY&SY"), "bzip2, which is not supported"),
        (bzimage(&gzip(b"nothing")), "no ELF image"),
        (bzimage(b"not packed at all"), "no ELF image"),
        (bzimage(&gzip(&elf_file(183, BANNER))), "arm64"),
        (elf_file(243, BANNER), "machine 243"),
        (elf[..150].to_vec(), "table of segments"),
        (elf[..190].to_vec(), "its content"),
        (elf_file(62, b"no banner here"), "does not tell its release"),
        (gzip(&elf), "no arm64 Image"),
        (zboot(b"snappy", &gzip(BANNER)), "`snappy`, which is not supported"),
        (zboot(b"gzip", b""), "copy it again"),
    ] {
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn a_wish_that_cannot_be_met_says_what_is_there() {
    let error = choose_kernel(&Bench::new().store, &[PC], Some("9.9")).unwrap_err();
    assert!(error.to_string().contains("no kernel 9.9"), "{error}");
}

#[test]
#[expect(clippy::print_stderr)]
fn debians_kernel_is_read_unpacked_and_known_to_be_modular() {
    let bench = Bench::new();
    let is_debians = |found: &FoundKernel| found.image.to_string_lossy().ends_with("cloud-amd64");
    let Some(found) = find_kernels(&bench.store).into_iter().find(is_debians) else {
        eprintln!("skipped: no kernel of linux-image-cloud-amd64");
        return;
    };
    let kernel = found.kernel.unwrap();
    assert!(found.image.to_string_lossy().ends_with(&kernel.release));
    let elf = bench.store.elf(&kernel).unwrap();
    assert_eq!(bench.store.elf(&kernel).unwrap(), elf);
    let bytes = fs::read(elf).unwrap();
    let image = KernelImage::parse(&bytes).unwrap();
    assert_eq!((image.format(), image.is_startable()), (ImageFormat::Elf, true));
    assert_eq!(image.release().unwrap(), kernel.release);
    // Its configuration is not in it, so this is told by what drivers call themselves.
    assert_eq!(drivers::built_in(&bytes), ["ext4"]);
}

fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = bytes.len();
    let changes = prop::collection::vec((0..length, any::<u8>()), 0..8);
    (changes, 0..=length).prop_map(move |(changes, cut)| {
        let mut bytes = bytes.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(cut.max(length / 4));
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        fuzzing::kernel(&bytes);
        fuzzing::package(&bytes);
    }

    #[test]
    fn changed_kernels_never_panic(bytes in prop_oneof![
        mutated(bzimage(&gzip(&elf_file(62, BANNER)))),
        mutated(elf_file(62, BANNER)),
        mutated(zboot(b"gzip", &gzip(&arm_image(BANNER)))),
        mutated(module("virtio")),
    ]) {
        fuzzing::kernel(&bytes);
    }

    #[test]
    fn changed_packages_never_panic(bytes in prop_oneof![
        mutated(deb(&[("data.tar.gz", &gzip(&tar(&[("boot/vmlinuz-1", b"x")])))])),
        mutated(rpm(&[("boot/vmlinuz-1", b"x")])),
    ]) {
        fuzzing::package(&bytes);
    }
}
