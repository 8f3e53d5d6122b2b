//! Every form of a tree against the tools that others read it with.
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside test functions")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use isolde_image::{ImageError, RootTree, Store, choose_kernel};
use isolde_model::{Bus, GuestLine, GuestNeeds, KernelForm};

/// Of the `vm` environment.
const NEEDS: GuestNeeds = GuestNeeds {
    form: KernelForm::Distribution,
    bus: Bus::Pci,
    line: GuestLine::Port,
    overlay: false,
};

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

    fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn tree(&self) -> RootTree {
        let agent = self.file("agent", &[7; 1_234_567], 0o700);
        let extra = self.file("extra file", b"extra", 0o640);
        let mut tree = RootTree::new(&agent).unwrap();
        tree.add_file(&extra, Path::new("/opt/some where/extra")).unwrap();
        tree
    }
}

#[expect(clippy::print_stderr)]
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Output of a tool, or `None` where it is not installed.
fn output(tool: &str, arguments: &[&str]) -> Option<String> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let Ok(output) = Command::new(tool).args(arguments).env("PATH", path).output() else {
        skip(&format!("{tool} is not installed"));
        return None;
    };
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Path, mode (with its kind) and size of files, as every form must have them.
fn expected() -> Vec<(String, u32, u64)> {
    [
        ("dev", 0o40_755, 0),
        ("isolde", 0o100_755, 1_234_567),
        ("opt", 0o40_755, 0),
        ("opt/some where", 0o40_755, 0),
        ("opt/some where/extra", 0o100_644, 5),
        ("proc", 0o40_755, 0),
        ("run", 0o40_755, 0),
        ("sys", 0o40_755, 0),
        ("tmp", 0o41_777, 0),
    ]
    .map(|(path, mode, size)| (path.to_owned(), mode, size))
    .to_vec()
}

#[test]
fn the_directory_is_whole_reused_and_repaired() {
    let bench = Bench::new();
    let tree = bench.tree();
    let directory = bench.store.directory(&tree).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    for (path, mode, size) in expected() {
        let metadata = fs::symlink_metadata(directory.join(&path)).unwrap();
        assert_eq!(metadata.mode(), mode, "{path}");
        assert!(metadata.is_dir() || metadata.len() == size, "{path}");
        assert!(!is_root || (metadata.uid(), metadata.gid()) == (0, 0), "{path}");
    }
    let inode = fs::metadata(&directory).unwrap().ino();
    assert_eq!(bench.store.directory(&tree).unwrap(), directory);
    assert_eq!(fs::metadata(&directory).unwrap().ino(), inode);

    for spoil in [
        (|root: &Path| fs::write(root.join("tmp/left"), "x").unwrap()) as fn(&Path),
        |root| fs::write(root.join("opt/some where/extra"), "EXTRA").unwrap(),
        |root| fs::remove_dir(root.join("run")).unwrap(),
    ] {
        spoil(&directory);
        bench.store.directory(&tree).unwrap();
        assert_eq!(fs::read(directory.join("opt/some where/extra")).unwrap(), b"extra");
        assert!(directory.join("run").exists() && !directory.join("tmp/left").exists());
    }
}

#[test]
fn the_tar_archive_is_the_tree() {
    let bench = Bench::new();
    let path = bench.store.tar(&bench.tree()).unwrap();
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let found: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            assert_eq!(header.mtime().unwrap(), 0);
            let kind = if header.entry_type().is_dir() { 0o40_000 } else { 0o100_000 };
            let path = entry.path().unwrap().to_string_lossy().trim_end_matches('/').to_owned();
            (path, kind | header.mode().unwrap(), entry.size())
        })
        .collect();
    assert_eq!(found, expected());
}

#[test]
fn the_ext4_image_is_the_tree() {
    let bench = Bench::new();
    let image = match bench.store.ext4(&bench.tree()) {
        Err(error @ ImageError::ToolMissing { .. }) => return skip(&error.to_string()),
        other => other.unwrap(),
    };
    let image = image.to_str().unwrap();
    let Some(listing) = output("dumpe2fs", &["-h", image]) else { return };
    assert!(listing.contains("Filesystem volume name:   isolde"));
    assert!(!listing.contains("has_journal"));
    output("e2fsck", &["-n", "-f", image]);
    for (path, mode, size) in expected() {
        let Some(stat) = output("debugfs", &["-R", &format!("stat \"/{path}\""), image]) else {
            return;
        };
        let stat: Vec<&str> = stat.split_whitespace().collect();
        let field = |name: &str| stat[stat.iter().position(|word| *word == name).unwrap() + 1];
        assert_eq!(u32::from_str_radix(field("Mode:"), 8).unwrap(), mode & 0o7777, "{path}");
        assert_eq!((field("User:"), field("Group:")), ("0", "0"), "{path}");
        assert!(field("Type:") == "directory" || field("Size:") == size.to_string(), "{path}");
    }
}

#[test]
fn equal_trees_give_equal_bytes() {
    let (one, other) = (Bench::new(), Bench::new());
    let both = |make: fn(&Bench) -> Result<PathBuf, ImageError>| {
        let first = make(&one)?;
        // What depends on the clock would differ now.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let second = make(&other)?;
        assert_eq!(first.file_name(), second.file_name());
        assert!(fs::read(first).unwrap() == fs::read(&second).unwrap(), "{}", second.display());
        Ok(())
    };
    both(|bench| bench.store.tar(&bench.tree())).unwrap();
    match both(|bench| bench.store.ext4(&bench.tree())) {
        Err(error @ ImageError::ToolMissing { .. }) => skip(&error.to_string()),
        other => other.unwrap(),
    }
}

#[test]
fn a_large_file_and_many_small_ones_fit_into_the_image() {
    let bench = Bench::new();
    let agent = bench.file("agent", &vec![1; 150 << 20], 0o755);
    let mut tree = RootTree::new(&agent).unwrap();
    for index in 0..500 {
        let small = bench.file("small", format!("{index}").as_bytes(), 0o644);
        tree.add_file(&small, Path::new(&format!("/many/{index:090}"))).unwrap();
        // Each is read again when the tree is written.
        fs::rename(&small, bench.folder.path().join("kept")).unwrap();
    }
    let error = bench.store.directory(&tree).unwrap_err();
    assert!(error.to_string().contains("small"), "{error}");

    let mut tree = RootTree::new(&agent).unwrap();
    for index in 0..500 {
        let small = bench.file(&format!("small-{index}"), b"small", 0o644);
        tree.add_file(&small, Path::new(&format!("/many/{index:090}"))).unwrap();
    }
    match bench.store.ext4(&tree) {
        Err(error @ ImageError::ToolMissing { .. }) => skip(&error.to_string()),
        image => drop(output("e2fsck", &["-n", "-f", image.unwrap().to_str().unwrap()])),
    }
}

#[test]
fn two_at_once_agree() {
    let bench = Bench::new();
    let tree = bench.tree();
    let paths: Vec<PathBuf> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let store = Store::open(&bench.folder.path().join("cache")).unwrap();
                let tree = &tree;
                scope.spawn(move || {
                    store.tar(tree).unwrap();
                    store.directory(tree).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(paths.windows(2).all(|pair| pair[0] == pair[1]));
    let trees = fs::read_dir(bench.folder.path().join("cache/trees")).unwrap();
    assert_eq!(trees.count(), 1);
}

#[test]
fn the_initramfs_is_what_cpio_reads() {
    let bench = Bench::new();
    let kernel = match choose_kernel(&bench.store, &[NEEDS], None) {
        Ok(kernel) => kernel,
        Err(error) => return skip(&error.to_string()),
    };
    let path = bench.store.initramfs(&kernel, &NEEDS).unwrap();
    assert_eq!(bench.store.initramfs(&kernel, &NEEDS).unwrap(), path);
    let Some(listing) = output("sh", &["-c", "cpio -itv --quiet < \"$0\"", path.to_str().unwrap()])
    else {
        return;
    };
    assert!(listing.contains("-rwxr-xr-x") && listing.contains("init"), "{listing}");
    assert!(listing.contains("5,   1"), "{listing}");
    let loaded: Vec<&str> =
        listing.lines().filter_map(|line| line.split_once("modules/").map(|(_, m)| m)).collect();
    assert!(loaded.is_sorted(), "{loaded:?}");
}
