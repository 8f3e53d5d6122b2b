//! The tree as an ext4 image, made by `mke2fs` without mounting and without
//! the rights of root.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use crate::tool::Tool;
use crate::{ImageError, RootTree};

/// Raised with every change of the image's layout, so that images of older
/// programs are not taken for ours.
pub(crate) const VERSION: u32 = 1;

const MKE2FS: Tool = Tool { name: "mke2fs", package: "e2fsprogs" };
const DEBUGFS: Tool = Tool { name: "debugfs", package: "e2fsprogs" };

/// Named one by one, so that the host's /etc/mke2fs.conf has no say. No journal
/// and no checksums: the image is only ever read, and either would cost the
/// guest a module or time before its first instruction.
const FEATURES: &str = "none,dir_index,dir_nlink,ext_attr,extent,extra_isize,filetype,flex_bg,\
                        huge_file,large_file,sparse_super";

/// The file system's identity and the seed of its directory hashes, fixed so
/// that equal trees give equal bytes. Random, made once for this purpose.
const UUID: &str = "5b0c7d2e-6a35-4c0e-9d53-1f0d8f5b7a11";

/// Size of an inode in bytes, the default of mke2fs(8).
const INODE_BYTES: u64 = 256;

/// Superblock, descriptors, bitmaps, reserved inodes and rounding.
const OVERHEAD_BYTES: u64 = 1 << 20;

/// On an SD card a large tree takes its time.
const PATIENCE: Duration = Duration::from_secs(300);

/// Writes the tree, already there as `directory`, as the new image `path`.
pub(crate) fn write(tree: &RootTree, directory: &Path, path: &Path) -> Result<(), ImageError> {
    let (content, entries) = tree.size();
    let inodes = entries + 16;
    // Large files need blocks for their extent trees, hence one part in 64.
    let bytes = content + content / 64 + inodes * INODE_BYTES + OVERHEAD_BYTES;
    let kibibytes = bytes.next_multiple_of(1 << 20) >> 10;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let path_text = path.to_string_lossy();
    let time = [("E2FSPROGS_FAKE_TIME", "1"), ("MKE2FS_CONFIG", "/dev/null")];
    let options = format!("hash_seed={UUID},root_owner=0:0,lazy_itable_init=0,nodiscard");
    let inodes = inodes.to_string();
    let size = format!("{kibibytes}k");
    let directory = directory.to_string_lossy();
    #[rustfmt::skip]
    let arguments = [
        "-q", "-F", "-t", "ext4", "-O", FEATURES, "-b", "4096", "-m", "0", "-N", &inodes,
        "-U", UUID, "-L", "isolde", "-E", &options, "-d", &directory, &path_text, &size,
    ];
    MKE2FS.run(arguments, &time, folder, PATIENCE)?;
    settle(tree, path, &time)?;
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|error| ImageError::file("write", path, error))
}

/// Sets owner and times of every inode: mke2fs takes them from the directory,
/// where the owner may be an ordinary user and the time of change is now.
fn settle(tree: &RootTree, path: &Path, time: &[(&str, &str)]) -> Result<(), ImageError> {
    let mut script = String::new();
    let names = tree.entries().map(|(name, _)| format!("/{}", name.display()));
    for name in names.chain(["/".to_owned(), "/lost+found".to_owned()]) {
        for field in ["uid", "gid"] {
            let _ = writeln!(script, "set_inode_field \"{name}\" {field} 0");
        }
        for field in ["atime", "ctime", "mtime", "crtime"] {
            let _ = writeln!(script, "set_inode_field \"{name}\" {field} @0");
        }
        for field in ["atime_extra", "ctime_extra", "mtime_extra", "crtime_extra"] {
            let _ = writeln!(script, "set_inode_field \"{name}\" {field} 0");
        }
    }
    let commands = path.with_extension("debugfs");
    fs::write(&commands, script).map_err(|error| ImageError::file("write", &commands, error))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let arguments = [Path::new("-w"), Path::new("-f"), &commands, path];
    let result = DEBUGFS.run(arguments, time, folder, PATIENCE);
    let _ = fs::remove_file(&commands);
    result.map(|_| ())
}
