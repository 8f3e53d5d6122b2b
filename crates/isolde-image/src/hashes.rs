//! Hashes of files, remembered as long as the files do not change: this program
//! itself is hashed by every command, which takes a tenth of a second on a small
//! device.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Store;
use crate::tree::{copy_hashed, hex};

/// A file changed so recently may change again within the same tick of the file
/// system's clock, at most two seconds (FAT), and look the same.
const SETTLED: Duration = Duration::from_secs(2);

/// Size and SHA-256 of `file`, remembered in `store` where there is one.
pub(crate) fn of(file: &mut File, store: Option<&Store>) -> io::Result<(u64, [u8; 32])> {
    let before = identity(&file.metadata()?);
    let known = store.zip(before.as_ref());
    if let Some((store, name)) = known
        && let Some(hash) = recall(store, name)
    {
        return Ok((file.metadata()?.size(), hash));
    }
    let (bytes, hash) = copy_hashed(file, &mut io::sink())?;
    if let Some((store, name)) = known
        && before == identity(&file.metadata()?)
    {
        let kept = store.keep(Store::HASHES, name, |path| {
            fs::write(path, hex(&hash))
                .map_err(|error| crate::ImageError::file("write", path, error))
        });
        if let Err(error) = kept {
            tracing::debug!(%error, "a hash is not remembered");
        }
    }
    Ok((bytes, hash))
}

/// What is different after any change: where the file is, its size, and when its
/// content and its record were changed last. The latter cannot be set back.
/// `None` for a file that may just be changing.
fn identity(metadata: &Metadata) -> Option<String> {
    let changed = Duration::new(
        u64::try_from(metadata.ctime()).ok()?,
        u32::try_from(metadata.ctime_nsec()).ok()?,
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    if now.checked_sub(changed)? < SETTLED {
        return None;
    }
    let (device, inode, bytes) = (metadata.dev(), metadata.ino(), metadata.size());
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    Some(format!(
        "{device:x}-{inode:x}-{bytes:x}-{:x}.{:x}-{:x}.{:x}",
        modified.0,
        modified.1,
        changed.as_secs(),
        changed.subsec_nanos()
    ))
}

fn recall(store: &Store, name: &str) -> Option<[u8; 32]> {
    let text = fs::read_to_string(store.place(Store::HASHES, name)).ok()?;
    let mut hash = [0; 32];
    // Cut short by a power failure, it is as good as absent.
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn hash(path: &Path, store: &Store) -> [u8; 32] {
        of(&mut File::open(path).unwrap(), Some(store)).unwrap().1
    }

    #[test]
    fn a_settled_file_is_remembered_and_a_changed_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("cache")).unwrap();
        // This test's own executable has settled long ago.
        let executable = std::env::current_exe().unwrap();
        let name = identity(&fs::metadata(&executable).unwrap());
        let fresh = hash(&executable, &store);
        if let Some(name) = name {
            assert_eq!(recall(&store, &name), Some(fresh));
        }
        assert_eq!(hash(&executable, &store), fresh);

        let file = folder.path().join("file");
        fs::write(&file, "one").unwrap();
        let one = hash(&file, &store);
        fs::write(&file, "two").unwrap();
        assert_ne!(hash(&file, &store), one);
    }

    #[test]
    fn a_record_cut_short_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        fs::write(store.place(Store::HASHES, "cut"), "0f").unwrap();
        fs::write(store.place(Store::HASHES, "whole"), "0f".repeat(32)).unwrap();
        assert_eq!(recall(&store, "cut"), None);
        assert_eq!(recall(&store, "whole"), Some([0x0f; 32]));
    }
}
