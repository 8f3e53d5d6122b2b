//! Images of several layers, in every form, against the tools that others read
//! them with.
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside test functions")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use isolde_image::{Image, ImageConfig, ImageError, RootTree, Store};
use sha2::{Digest, Sha256};

#[expect(clippy::print_stderr)]
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

struct Bench {
    folder: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        fs::write(folder.path().join("agent"), b"agent").unwrap();
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The tree of an image with these layers.
    fn tree(&self, layers: &[Vec<u8>]) -> RootTree {
        let digests = layers.iter().map(|layer| {
            let digest: String =
                Sha256::digest(layer).iter().map(|byte| format!("{byte:02x}")).collect();
            fs::write(self.store.layer(&digest), layer).unwrap();
            digest
        });
        let image = Image {
            id: "0".repeat(64),
            names: Vec::new(),
            manifest: None,
            platform: "linux/amd64".into(),
            config: ImageConfig::default(),
            layers: digests.collect(),
            bytes: 0,
            origin: "a test".into(),
            added_s: 0,
        };
        RootTree::of_image(&self.path("agent"), &image, &self.store).unwrap()
    }

    fn directory(&self, layers: &[Vec<u8>]) -> Result<PathBuf, ImageError> {
        self.store.directory(&self.tree(layers))
    }
}

/// A layer made with the `tar` crate: names, kinds, contents.
struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn add(mut self, kind: tar::EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_link_name_literal(link).unwrap();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.add(tar::EntryType::Regular, name, "", content.as_bytes())
    }

    fn folder(self, name: &str) -> Self {
        self.add(tar::EntryType::Directory, name, "", b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.add(tar::EntryType::Symlink, name, target, b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.add(tar::EntryType::Link, name, target, b"")
    }

    fn done(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn read(root: &Path, name: &str) -> Option<String> {
    fs::read_to_string(root.join(name)).ok()
}

/// Runs a shell script; `None`, with the reason printed, where its tools are
/// not to be had.
fn shell(script: &str, arguments: &[&Path]) -> Option<String> {
    let output = Command::new("sh")
        .args(["-euc", script, "sh"])
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).unwrap());
    }
    skip(&format!("{script}: {}", String::from_utf8_lossy(&output.stderr)));
    None
}

#[test]
fn upper_layers_hide_replace_and_empty() {
    let bench = Bench::new();
    let lower = Layer::new()
        .file("etc/a", "a")
        .file("etc/b", "b")
        .file("opaque/old", "old")
        .file("opaque/below/old", "old")
        .file("file", "file")
        .folder("folder")
        .file("folder/inside", "inside")
        .done();
    let upper = Layer::new()
        // What a layer hides is in lower ones only, wherever it says so.
        .file("etc/a", "new a")
        .file("etc/.wh.a", "")
        .file("etc/.wh.b", "")
        .file("opaque/new", "new")
        .file("opaque/.wh..wh..opq", "")
        .file(".wh..wh.plnk", "")
        .file("none/.wh.there", "")
        // A folder takes the place of a file, and a file that of a folder.
        .folder("file")
        .file("folder", "now a file")
        .done();
    let root = bench.directory(&[lower, upper]).unwrap();
    assert_eq!(read(&root, "etc/a").as_deref(), Some("new a"));
    assert_eq!(read(&root, "etc/b"), None);
    assert_eq!(read(&root, "opaque/new").as_deref(), Some("new"));
    assert!(!root.join("opaque/old").exists() && !root.join("opaque/below").exists());
    assert!(root.join("file").is_dir());
    assert_eq!(read(&root, "folder").as_deref(), Some("now a file"));
    assert!(!root.join(".wh..wh.plnk").exists() && !root.join("none").exists());
    assert_eq!(read(&root, "isolde").as_deref(), Some("agent"));
    assert!(root.join("proc").is_dir());
}

#[test]
fn links_on_the_way_are_followed_within_the_image() {
    let bench = Bench::new();
    let lower = Layer::new()
        .folder("usr/lib")
        .link("lib", "usr/lib")
        .link("absolute", "/usr")
        .link("up", "usr/../usr/lib")
        .done();
    let upper = Layer::new()
        .file("lib/one", "1")
        .file("absolute/lib/two", "2")
        .file("up/three", "3")
        .hard_link("four", "lib/one")
        .done();
    let root = bench.directory(&[lower, upper]).unwrap();
    for (name, content) in [("one", "1"), ("two", "2"), ("three", "3")] {
        assert_eq!(read(&root, &format!("usr/lib/{name}")).as_deref(), Some(content));
    }
    assert!(root.join("lib").is_symlink());
    let inode = |name: &str| fs::metadata(root.join(name)).unwrap().ino();
    assert_eq!(inode("four"), inode("usr/lib/one"));
}

#[test]
fn what_must_be_mounted_on_is_a_folder_whatever_the_image_says() {
    let bench = Bench::new();
    let layer = Layer::new().link("proc", "/etc").file("sys", "a file").link("run", "var/run");
    let root = bench.directory(&[layer.folder("var/run").done()]).unwrap();
    for name in ["proc", "sys"] {
        assert!(fs::symlink_metadata(root.join(name)).unwrap().is_dir(), "{name}");
    }
    assert!(root.join("run").is_symlink());
}

#[test]
fn hostile_and_broken_layers_are_refused_with_their_reason() {
    use tar::EntryType;
    let bench = Bench::new();
    let outside = bench.path("outside");
    let outside_name = outside.to_str().unwrap().to_owned();
    let good = || Layer::new().file("good", "good");
    let device = |name: &str| good().add(EntryType::Char, name, "", b"").done();
    let cases: Vec<(&str, Vec<Vec<u8>>, &str)> = vec![
        ("parent", vec![good().file("a/../../outside", "x").done()], "leads out of the root"),
        ("absolute", vec![good().file(&outside_name, "x").done()], "is absolute"),
        (
            "a link that leads out",
            vec![good().link("way", "../../..").done(), good().file("way/outside", "x").done()],
            "leads out of the root",
        ),
        (
            "a link within the same layer",
            vec![good().link("a", "..").link("b", "a").file("b/outside", "x").done()],
            "leads out of the root",
        ),
        (
            "links in a circle",
            vec![good().link("a", "b").link("b", "a").file("a/x", "x").done()],
            "in a circle",
        ),
        ("a device", vec![device("sda")], "device node"),
        ("a hard link out", vec![good().hard_link("a", "../outside").done()], "leads out"),
        ("a hard link to nothing", vec![good().hard_link("a", "b").done()], "does not exist"),
        ("a hard link to a folder", vec![good().folder("b").hard_link("a", "b").done()], "folder"),
        ("a file as a folder", vec![good().file("good/x", "x").done()], "where its folder"),
        ("an unknown kind", vec![good().add(EntryType::new(b'Z'), "a", "", b"").done()], "unknown"),
        ("Isolde's own place", vec![good().file("isolde", "x").done()], "something else there"),
        ("not an archive", vec![vec![b'x'; 2048]], "not a tar archive"),
        (
            "cut within a file",
            vec![good().file("b", &"b".repeat(2000)).done()[..2048].to_vec()],
            "cut short",
        ),
        ("cut within a header", vec![good().done()[..1100].to_vec()], "cut short"),
    ];
    for (name, layers, reason) in cases {
        let tree = bench.tree(&layers);
        for error in [
            bench.store.directory(&tree).unwrap_err(),
            bench.store.ext4(&tree).unwrap_err(),
            bench.store.tar(&tree).unwrap_err(),
        ] {
            assert!(error.to_string().contains(reason), "{name}: {error}");
        }
    }
    assert!(!outside.exists());
    for kind in ["trees", "ext4", "tar"] {
        assert_eq!(fs::read_dir(bench.path("cache").join(kind)).unwrap().count(), 0, "{kind}");
    }
    // Nodes of /dev come with every archive of a whole system, and are left out.
    let root = bench.directory(&[device("dev/null")]).unwrap();
    assert_eq!(fs::read_dir(root.join("dev")).unwrap().count(), 0);
}

/// A folder with one of everything that a layer can hold.
fn furnish(root: &Path) {
    fs::create_dir_all(root.join("bin/deep/er")).unwrap();
    fs::create_dir(root.join("tmp")).unwrap();
    fs::write(root.join("bin/tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("bin/tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::hard_link(root.join("bin/tool"), root.join("bin/other name")).unwrap();
    symlink("bin/../bin//tool", root.join("short")).unwrap();
    symlink(format!("/{}", "far/".repeat(60)), root.join("long link")).unwrap();
    fs::write(root.join(format!("bin/{}", "n".repeat(200))), "long name").unwrap();
    let content: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    fs::write(root.join("bin/large"), content).unwrap();
    for number in 0..700 {
        fs::write(root.join(format!("bin/deep/er/file-{number:060}")), "x".repeat(number)).unwrap();
    }
    let mut sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(60 << 20).unwrap();
    for place in [5000u64, 1 << 20, (30 << 20) + 77, (60 << 20) - 9] {
        use std::io::{Seek, SeekFrom};
        sparse.seek(SeekFrom::Start(place)).unwrap();
        sparse.write_all(b"here and there"[..9].as_ref()).unwrap();
    }
}

/// What makes a tree, whatever it lies on: names, kinds, modes, owners, times,
/// links, contents and extended attributes.
const IDENTITY: &str = "cd \"$1\"; tar --format=pax --xattrs --xattrs-include='*' --acls \
     --sort=name --numeric-owner --pax-option=delete=atime,delete=ctime -cf - . | sha256sum";

#[test]
fn every_form_is_what_gnu_tar_packed() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can keep owners");
    }
    let bench = Bench::new();
    let source = bench.path("source");
    furnish(&source);
    // Owners, times, capabilities and attributes, as far as the tools are there.
    let _ = shell(
        "cd \"$1\"; mkfifo pipe; chown 1000:100 empty; chown -h 7:8 short; chown 70000:80000 pipe; \
         touch -d '1960-01-02 03:04:05.123456789' empty; touch -d 2100-01-01 bin/large",
        &[&source],
    );
    let _ = shell("setfattr -n user.note -v text \"$1/bin/large\"", &[&source]);
    let _ = shell("setcap cap_net_raw+ep \"$1/bin/tool\"", &[&source]);
    let _ = shell("setfacl -m u:1234:rwx -m g:99:r \"$1/empty\"", &[&source]);
    for format in [
        "--format=gnu -S",
        "--format=pax --sparse-version=0.0 -S",
        "--format=pax --sparse-version=0.1 -S",
        "--format=pax --sparse-version=1.0 -S",
    ] {
        let pack = format!(
            "tar {format} --xattrs --xattrs-include='*' --numeric-owner -C \"$1\" -cf \"$2\" ."
        );
        let archive = bench.path("layer.tar");
        if shell(&pack, &[&source, &archive]).is_none() {
            return;
        }
        let tree = bench.tree(&[fs::read(&archive).unwrap()]);
        let directory = bench.store.directory(&tree).unwrap();
        let Some(identity) = shell(IDENTITY, &[&directory]) else { return };
        compare_with_source(&source, &directory, format);
        assert_ext4(&bench.store.ext4(&tree).unwrap(), &identity, format);
        let unpacked = bench.path("unpacked");
        let unpack = "mkdir \"$2\"; tar --xattrs --xattrs-include='*' --numeric-owner -C \"$2\" \
                      -xpf \"$1\"; touch -d @0 \"$2\"";
        shell(unpack, &[&bench.store.tar(&tree).unwrap(), &unpacked]).unwrap();
        // GNU tar cannot be told the root's own attributes by this archive.
        shell("chmod --reference=\"$1\" \"$2\"; touch -r \"$1\" \"$2\"", &[&directory, &unpacked]);
        let found = shell(IDENTITY, &[&unpacked]).unwrap();
        assert_eq!(found, identity, "tar, {format}");
        fs::remove_dir_all(unpacked).unwrap();
    }
}

/// The directory has what the source has, and Isolde's own besides.
fn compare_with_source(source: &Path, directory: &Path, format: &str) {
    for name in ["isolde", "dev", "proc", "sys", "run"] {
        assert!(directory.join(name).exists(), "{name}");
    }
    let without = "cd \"$1\"; find . -path ./isolde -o -path ./dev -o -path ./proc -o -path ./sys \
                   -o -path ./run -o -printf '%P %y %m %U:%G %s %l %n '; true";
    let times = "cd \"$1\"; find . -type f ! -name isolde -printf '%P %s %T@\\n' | sort; \
                 find . -type f ! -name isolde -print0 | sort -z | xargs -0 sha256sum; \
                 getfattr -R -d -m - . 2>/dev/null | sort; getcap -r . | sort";
    for script in [without, times] {
        let text = |root: &Path| {
            shell(script, &[root]).map(|text| {
                // Of a folder, size and links depend on what it lies on.
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.retain(|line| !line.contains(" d "));
                lines
            })
        };
        assert_eq!(text(directory), text(source), "{format}");
    }
    assert!(fs::symlink_metadata(directory.join("pipe")).unwrap().file_type().is_fifo());
    let sparse = fs::metadata(directory.join("sparse")).unwrap();
    assert!(sparse.len() == 60 << 20 && sparse.blocks() * 512 < 1 << 20, "{format}: {sparse:?}");
}

/// The image is sound for e2fsck, and the kernel sees the same tree in it.
fn assert_ext4(image: &Path, identity: &str, format: &str) {
    let check = Command::new("/sbin/e2fsck").args(["-n", "-f"]).arg(image).output();
    match check {
        Ok(check) => {
            let said = String::from_utf8_lossy(&check.stdout);
            assert!(check.status.success(), "{format}: {said}");
        }
        Err(error) => skip(&format!("e2fsck: {error}")),
    }
    let blocks = fs::metadata(image).unwrap().blocks();
    assert!(blocks * 512 < 64 << 20, "{format}: holes take no space, it has {blocks} blocks");
    let mount = format!(
        "mnt=$(mktemp -d); trap 'rmdir $mnt' EXIT; \
         unshare --mount sh -euc 'mount -o loop,ro \"$1\" \"$2\"; set -- \"$2\"; {}' sh \"$1\" $mnt",
        IDENTITY.replace('\'', "\"")
    );
    if let Some(found) = shell(&mount, &[image]) {
        assert_eq!(found, identity, "ext4, {format}");
    }
}

#[test]
fn equal_images_give_equal_bytes_in_every_form() {
    let layers = || vec![Layer::new().file("b", "b").file("a", "a").link("c", "a").done()];
    let (one, other) = (Bench::new(), Bench::new());
    let both = |make: fn(&Bench, &RootTree) -> PathBuf| {
        let first = make(&one, &one.tree(&layers()));
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let second = make(&other, &other.tree(&layers()));
        assert_eq!(first.file_name(), second.file_name());
        assert!(fs::read(first).unwrap() == fs::read(second).unwrap());
    };
    both(|bench, tree| bench.store.tar(tree).unwrap());
    both(|bench, tree| bench.store.ext4(tree).unwrap());
}

#[test]
fn a_file_of_many_extents_is_told_by_a_tree_of_them() {
    // Every other block: more extents than an inode, and than one leaf, can hold.
    let bench = Bench::new();
    let source = bench.path("source");
    fs::create_dir(&source).unwrap();
    let sparse = fs::File::create(source.join("comb")).unwrap();
    for index in 0..500u64 {
        use std::os::unix::fs::FileExt;
        sparse.write_all_at(&index.to_le_bytes(), index * 3 * 4096 * 16).unwrap();
    }
    let archive = bench.path("layer.tar");
    let pack = "tar --format=pax -S -C \"$1\" -cf \"$2\" .";
    let Some(_) = shell(pack, &[&source, &archive]) else { return };
    let tree = bench.tree(&[fs::read(&archive).unwrap()]);
    let identity = shell(IDENTITY, &[&bench.store.directory(&tree).unwrap()]).unwrap();
    assert_ext4(&bench.store.ext4(&tree).unwrap(), &identity, "comb");
}
