//! Packages of both kinds, sound and broken.

use super::*;
use crate::kernel::cpio::{Archive, Node};
use crate::kernel::{deb, rpm};

pub(super) fn deb(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = deb::MAGIC.to_vec();
    for (name, content) in members {
        let size = content.len();
        writeln!(bytes, "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`", 0, 0, 0, 100_644).unwrap();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

pub(super) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        // Not `set_path`, which refuses names that lead out.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

pub(super) fn rpm(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = rpm::MAGIC.to_vec();
    bytes.resize(96, 0);
    for store in [3, 5] {
        bytes.extend_from_slice(&[0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, store]);
        bytes.resize(bytes.len() + 16 + usize::from(store), 0);
        if store == 3 {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
    }
    let mut archive = Archive::default();
    for (name, content) in files {
        archive.add(name, Node::File { content, mode: 0o644 });
    }
    bytes.extend_from_slice(&gzip(&archive.finish()));
    bytes
}

const FOLDER: &str = "lib/modules/6.1.0-9-amd64";

/// Two packages of one kernel: its image, and its modules without modules.dep.
fn packages() -> [Vec<(String, Vec<u8>)>; 2] {
    let image = bzimage(&gzip(&elf_file(62, BANNER)));
    let file = |name: &str| format!("./usr/{FOLDER}/{name}");
    let module =
        |name: &str, depends| (file(&format!("kernel/{name}.ko.gz")), gzip(&module(depends)));
    [
        vec![("./boot/vmlinuz-6.1.0-9-amd64".into(), image)],
        vec![
            (file("modules.builtin"), b"kernel/fs/ext4/ext4.ko\n".to_vec()),
            module("virtio_pci", "virtio,virtio_ring"),
            module("virtio-blk", "virtio"),
            module("virtio_console", "virtio"),
            module("virtio", "virtio_ring"),
            module("virtio_ring", ""),
        ],
    ]
}

fn slices(files: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect()
}

#[test]
#[expect(clippy::print_stderr)]
fn packages_of_both_kinds_bring_a_kernel_with_its_modules_in_order() {
    if Machine::HOST != Machine::X86 {
        eprintln!("skipped: the kernel made up here is for x86-64");
        return;
    }
    let [image, modules] = packages();
    let (image, modules) = (slices(&image), slices(&modules));
    let debs = [&image, &modules]
        .map(|files| deb(&[("debian-binary", b"2.0\n"), ("data.tar.gz", &gzip(&tar(files)))]));
    for files in [debs, [rpm(&image), rpm(&modules)]] {
        let bench = Bench::new();
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let kernels = bench.add(&files).unwrap();
        assert_eq!(kernels, bench.add(&files).unwrap());
        assert_eq!(bench.kept(), 1);
        assert_eq!(kernels[0].release, "6.1.0-9-amd64");
        assert!(kernels[0].lacks(&PC).is_empty(), "{:?}", kernels[0].lacks(&PC));
        let initramfs = bench.store.initramfs(&kernels[0], &PC).unwrap();
        let mut names = Vec::new();
        cpio::read(&*fs::read(initramfs).unwrap(), |name, _| {
            names.push(name.display().to_string());
            Ok(())
        })
        .unwrap();
        let expected =
            ["00-virtio_ring", "01-virtio", "02-virtio_pci", "03-virtio_blk", "04-virtio_console"];
        assert_eq!(names[..5], expected.map(|name| format!("modules/{name}.ko")));
        let elf = bench.store.elf(&kernels[0]).unwrap();
        assert!(fs::read(elf).unwrap() == elf_file(62, BANNER));
        let chosen = choose_kernel(&bench.store, &[PC], Some("6.1.0-9-amd64")).unwrap();
        assert_eq!(chosen, kernels[0]);
        // Without its drivers it is refused, with its name and theirs.
        let error = bench.add(&files[..1]).unwrap_err();
        assert!(error.contains("6.1.0-9-amd64 has no module virtio_pci"), "{error}");
        let error = bench.add(&files[1..]).unwrap_err();
        assert!(error.contains("give the package with the image"), "{error}");
        assert_eq!(bench.kept(), 1);
    }
}

#[test]
fn a_bad_package_leaves_nothing_in_the_cache_and_nothing_outside() {
    let data = |tar: &[u8]| deb(&[("debian-binary", b"2.0\n"), ("data.tar", tar)]);
    let image = bzimage(&gzip(&elf_file(62, BANNER)));
    let sound = data(&tar(&[("boot/vmlinuz-1", &image)]));
    let escape: &[(&str, &[u8])] = &[("lib/modules/1/../../../../../escaped.ko", b"x")];
    let absolute: &[(&str, &[u8])] = &[("/boot/vmlinuz-1", b"x")];
    let bench = Bench::new();
    for (bytes, words) in [
        (sound[..sound.len() / 2].to_vec(), ""),
        (sound[..70].to_vec(), "ends within its member"),
        (deb(&[("debian-binary", b"2.0\n")]), "no data.tar"),
        (data(&tar(escape)), "leads out of the package"),
        (data(&tar(absolute)), "leads out of the package"),
        (data(&tar(&[("etc/passwd", b"x")])), "neither a kernel image nor modules"),
        (data(&tar(&[("boot/vmlinuz-1", b"x")])), "neither a bzImage"),
        (deb(&[("data.tar.bz2", b"BZh9...........")]), "bzip2"),
        (rpm(escape), "leads out of the package"),
        (rpm(absolute), "leads out of the package"),
        (rpm(&[])[..100].to_vec(), "cut off"),
        (rpm(&[("boot/vmlinuz-1", &image)])[..200].to_vec(), ""),
        (b"hello".to_vec(), "neither a bzImage"),
    ] {
        let error = bench.add(&[&bytes]).unwrap_err();
        assert!(error.contains(words) && error.contains("file-0"), "{words}: {error}");
        assert_eq!(bench.kept(), 0, "{words}");
    }
    let outside = fs::read_dir(bench.folder.path()).unwrap();
    assert_eq!(outside.count(), 2, "the cache and file-0");
}

#[test]
fn a_bomb_in_a_package_is_refused_and_removed() {
    // 256 MiB of zeros and one more, in a few hundred kB.
    let mut header = tar::Header::new_gnu();
    header.set_path("lib/modules/1/kernel/bomb.ko").unwrap();
    header.set_size(unpack::LIMIT as u64 + 1);
    header.set_cksum();
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(header.as_bytes()).unwrap();
    for _ in 0..unpack::LIMIT / (1 << 20) + 1 {
        packer.write_all(&[0; 1 << 20]).unwrap();
    }
    let bench = Bench::new();
    let error = bench.add(&[&deb(&[("data.tar.gz", &packer.finish().unwrap())])]).unwrap_err();
    assert!(error.contains("bomb.ko is larger than in any kernel"), "{error}");
    assert_eq!(bench.kept(), 0);
}

#[test]
fn a_link_in_a_package_is_not_followed() {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, "lib/modules/1", "/tmp").unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    archive.append_data(&mut header, "lib/modules/1/isolde-escaped.ko", &b"x"[..]).unwrap();
    let bytes = deb(&[("data.tar", &archive.into_inner().unwrap())]);
    Bench::new().add(&[&bytes]).unwrap_err();
    assert!(!Path::new("/tmp/isolde-escaped.ko").exists());
}

#[test]
fn a_kernel_of_another_machine_or_one_that_cannot_be_read_is_refused_by_name() {
    let bench = Bench::new();
    let other = match Machine::HOST {
        Machine::X86 => arm_image(BANNER),
        Machine::Arm => elf_file(62, BANNER),
    };
    let error = bench.add(&[&other]).unwrap_err();
    assert!(error.contains("and this host is"), "{error}");
    // Reading it fails, whoever reads.
    let error = add_kernel(&bench.store, &["/proc/self/mem".into()]).unwrap_err().to_string();
    assert!(error.contains("cannot read /proc/self/mem"), "{error}");
    let error = add_kernel(&bench.store, &["/nowhere".into()]).unwrap_err().to_string();
    assert!(error.contains("cannot read /nowhere"), "{error}");
    let error = add_kernel(&bench.store, &["/".into()]).unwrap_err().to_string();
    assert!(error.contains("it is no file"), "{error}");
}
