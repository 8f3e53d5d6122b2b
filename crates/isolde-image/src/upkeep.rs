//! What the cache holds and who uses it; taking images away again, and what no
//! image needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};

use crate::store::{disk_usage, entries, remove};
use crate::{Image, ImageError, IntakeError, RootTree, Store};

/// How long somebody who wants to use the cache waits for a clean-up to end.
const CLEANUP_PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks at a lock.
const LOOK: Duration = Duration::from_millis(20);

/// Kinds of what is made of images and can be made again.
const FORMS: [&str; 3] = ["trees", "ext4", "tar"];

/// Keeps everything in the cache from being taken away while it is used. Any
/// number of processes may hold it at a time; [`Store::prune`] waits for none of
/// them and refuses. It ends with its holder, however that ends.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "its lock is released when it is closed")] File);

/// What is in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Each form that was made of an image.
    pub forms: Vec<Form>,
    /// Bytes on disk of the whole cache.
    pub bytes: u64,
}

/// A root file system that was made of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The image's layers, the lowest first.
    pub layers: Vec<String>,
    /// What it is, as the cache's folder is called.
    pub kind: &'static str,
    /// Its bytes on disk.
    pub bytes: u64,
}

/// What was taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freed {
    /// Ids of the images.
    pub images: Vec<String>,
    /// Layers.
    pub layers: usize,
    /// Forms: directories, disk images, archives.
    pub forms: usize,
    /// Bytes on disk.
    pub bytes: u64,
}

/// What became of images that were to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The images.
    pub images: Vec<Image>,
    /// What went with them; `None` where another process uses the cache, so
    /// that layers and forms stay until the next clean-up.
    pub freed: Option<Freed>,
}

impl Store {
    /// Keeps the cache's content until the guard is dropped. Whoever uses an
    /// image, or a form of it, holds this from before it is found until it is
    /// used no more.
    ///
    /// # Errors
    /// That a clean-up takes too long, or that the lock cannot be opened.
    pub fn hold(&self) -> Result<Hold, ImageError> {
        let file = self.lock_file("lock")?;
        self.acquire(&file, FlockOperation::NonBlockingLockShared, CLEANUP_PATIENCE)?;
        Ok(Hold(file))
    }

    /// Alone with the cache, or the refusal that somebody uses it.
    pub(crate) fn hold_alone(&self) -> Result<Hold, ImageError> {
        let file = self.lock_file("lock")?;
        self.acquire(&file, FlockOperation::NonBlockingLockExclusive, Duration::ZERO)?;
        Ok(Hold(file))
    }

    /// Alone with the records of images, for the moment in which one is read
    /// and written.
    pub(crate) fn lock_records(&self) -> Result<Hold, ImageError> {
        let file = self.lock_file("images.lock")?;
        self.acquire(&file, FlockOperation::NonBlockingLockExclusive, CLEANUP_PATIENCE)?;
        Ok(Hold(file))
    }

    fn lock_file(&self, name: &str) -> Result<File, ImageError> {
        let path = self.root().join(name);
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| ImageError::file("open", path, error))
    }

    fn acquire(
        &self,
        file: &File,
        operation: FlockOperation,
        patience: Duration,
    ) -> Result<(), ImageError> {
        let deadline = Instant::now() + patience;
        loop {
            match flock(file, operation) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    std::thread::sleep(LOOK);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(IntakeError::InUse { path: self.root().to_owned() }.into());
                }
                Err(error) => return Err(ImageError::file("lock", self.root(), error)),
            }
        }
    }

    /// Notes which layers the forms of `tree` are made of, so that they can go
    /// when the image goes, and that they are used now.
    pub(crate) fn note_form(&self, tree: &RootTree) -> Result<(), ImageError> {
        if tree.layers().is_empty() {
            return Ok(());
        }
        let text = tree.layers().join("\n");
        let note = self.keep(Self::FORMS, &tree.digest(), |path| {
            fs::write(path, &text).map_err(|error| ImageError::file("write", path, error))
        })?;
        // The time of its last change is when it was last used: see `newest_trees`.
        let touched = File::options().write(true).open(&note);
        touched
            .and_then(|file| file.set_modified(UNIX_EPOCH))
            .map_err(|error| ImageError::file("write", note, error))
    }

    /// Removes every form of the tree with that digest, for one that will not be wanted
    /// again. Who has a form open keeps it; who is about to open it makes it anew.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn remove_forms(&self, tree_digest: &str) -> Result<(), ImageError> {
        for path in FORMS.iter().flat_map(|kind| entries(&self.root().join(kind))) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !tree_digest.is_empty() && name.split('.').next() == Some(tree_digest) {
                remove(&path).map_err(|error| ImageError::file("remove", &path, error))?;
            }
        }
        let note = self.place(Self::FORMS, tree_digest);
        match fs::remove_file(&note) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ImageError::file("remove", note, error))
            }
            _ => Ok(()),
        }
    }

    /// What is in the cache, and what of it was made of which image.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let notes = self.form_notes();
        let mut forms = Vec::new();
        for folder in FORMS {
            let kind = if folder == "trees" { "directory" } else { folder };
            for path in entries(&self.place(folder, "")) {
                if let Some(layers) = notes.get(&tree_digest(&path)) {
                    let (layers, bytes) = (layers.clone(), disk_usage(&path));
                    forms.push(Form { layers, kind, bytes });
                }
            }
        }
        Usage { forms, bytes: disk_usage(self.root()) }
    }

    /// Layers by the digest of the tree that was made of them.
    fn form_notes(&self) -> BTreeMap<String, Vec<String>> {
        self.read_notes().map(|note| (note.tree, note.layers)).collect()
    }

    fn read_notes(&self) -> impl Iterator<Item = Note> {
        entries(&self.place(Self::FORMS, "")).into_iter().filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            let found = path.metadata().ok()?;
            Some(Note {
                tree: tree_digest(&path),
                layers: text.lines().map(str::to_owned).collect(),
                used: (found.ctime(), found.ctime_nsec()),
            })
        })
    }

    /// Of all trees that were made of the same layers, with other agents or other
    /// files on top, the digest of the one that was used last.
    fn newest_trees(&self) -> BTreeSet<String> {
        let mut newest: BTreeMap<Vec<String>, Note> = BTreeMap::new();
        for note in self.read_notes() {
            match newest.get(&note.layers) {
                Some(other) if other.used >= note.used => {}
                _ => drop(newest.insert(note.layers.clone(), note)),
            }
        }
        newest.into_values().map(|note| note.tree).collect()
    }

    /// Takes names, or images with all their names, out of the cache: a name of
    /// several is all that goes, an id or the last name takes the image along.
    /// Layers and forms that nothing else needs go too, unless another process
    /// uses the cache.
    ///
    /// # Errors
    /// A name or id that no image has, or what cannot be removed. Nothing is
    /// removed unless all are found.
    pub fn remove_images(&self, names_or_ids: &[String]) -> Result<Removed, ImageError> {
        let lock = self.lock_records()?;
        let mut images = BTreeMap::new();
        for wanted in names_or_ids {
            let Some(image) = self.find_image(wanted)? else {
                let tried = "it is not in the cache; `isolde image list` shows what is";
                return Err(
                    IntakeError::NotFound { name: wanted.clone(), tried: tried.into() }.into()
                );
            };
            let image: &mut Image = images.entry(image.id.clone()).or_insert(image);
            let name = wanted.parse::<crate::ImageName>().map(|name| name.to_string());
            let before = image.names.len();
            image.names.retain(|other| !name.as_ref().is_ok_and(|name| name == other));
            if image.names.len() == before {
                // It was named by its id.
                image.names.clear();
            }
        }
        let mut removed = Vec::new();
        for image in images.into_values() {
            if image.names.is_empty() {
                let path = self.place(Self::IMAGES, &format!("{}.json", image.id));
                remove(&path).map_err(|error| ImageError::file("remove", &path, error))?;
                removed.push(image);
            } else {
                self.keep_image(&image)?;
            }
        }
        drop(lock);
        let freed = match self.hold_alone() {
            Ok(_hold) => Some(self.drop_unneeded(|_| false)?),
            Err(ImageError::Intake(IntakeError::InUse { .. })) => None,
            Err(error) => return Err(error),
        };
        Ok(Removed { images: removed, freed })
    }

    /// Takes away the layers and forms that no image needs, and of the forms of one
    /// image all but those that were used last: others had an older agent or other
    /// files brought along. With `all` also every image and every form. What was
    /// left half-made goes when a store is opened.
    ///
    /// # Errors
    /// That another process uses the cache, or what cannot be removed.
    pub fn prune(&self, all: bool) -> Result<Freed, ImageError> {
        let _hold = self.hold_alone()?;
        let _lock = self.lock_records()?;
        let mut images = Vec::new();
        for image in if all { self.images() } else { Vec::new() } {
            let path = self.place(Self::IMAGES, &format!("{}.json", image.id));
            remove(&path).map_err(|error| ImageError::file("remove", &path, error))?;
            images.push(image.id);
        }
        let (newest, of_images) = (self.newest_trees(), self.form_notes());
        let is_old = |tree: &str| of_images.contains_key(tree) && !newest.contains(tree);
        let freed = self.drop_unneeded(|tree| all || is_old(tree))?;
        Ok(Freed { images, ..freed })
    }

    /// Takes away what no image needs, and forms of the trees that are `stale`.
    fn drop_unneeded(&self, stale: impl Fn(&str) -> bool) -> Result<Freed, ImageError> {
        let images = self.images();
        let layers: BTreeSet<&String> = images.iter().flat_map(|image| &image.layers).collect();
        let stacks: BTreeSet<&Vec<String>> = images.iter().map(|image| &image.layers).collect();
        let notes = self.form_notes();
        let mut freed = Freed::default();
        let mut take = |path: &Path, count: fn(&mut Freed) -> &mut usize| {
            let bytes = disk_usage(path);
            remove(path).map_err(|error| ImageError::file("remove", path, error))?;
            *count(&mut freed) += 1;
            freed.bytes += bytes;
            Ok::<(), ImageError>(())
        };
        for path in entries(&self.place(Self::LAYERS, "")) {
            if !is_half_made(&path) && !layers.contains(&file_name(&path)) {
                take(&path, |freed| &mut freed.layers)?;
            }
        }
        for path in FORMS.iter().flat_map(|kind| entries(&self.place(kind, ""))) {
            let tree = tree_digest(&path);
            let made_of = notes.get(&tree);
            let unneeded = stale(&tree) || made_of.is_some_and(|layers| !stacks.contains(layers));
            if !is_half_made(&path) && unneeded {
                take(&path, |freed| &mut freed.forms)?;
            }
        }
        for (digest, layers) in &notes {
            if stale(digest) || !stacks.contains(layers) {
                let path = self.place(Self::FORMS, digest);
                remove(&path).map_err(|error| ImageError::file("remove", &path, error))?;
            }
        }
        Ok(freed)
    }
}

/// Of which layers a tree was made, and when it was used last.
struct Note {
    tree: String,
    layers: Vec<String>,
    /// Seconds and nanoseconds since 1970.
    used: (i64, i64),
}

/// What is being made: [`Store::open`] removes it when its maker is dead.
fn is_half_made(path: &Path) -> bool {
    file_name(path).starts_with(crate::store::HALF_MADE)
}

/// The digest of a tree by which a form of it is named, before any extension.
fn tree_digest(path: &Path) -> String {
    file_name(path).split('.').next().unwrap_or_default().to_owned()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
