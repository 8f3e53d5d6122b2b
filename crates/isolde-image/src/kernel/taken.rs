//! What is taken out of a stranger's package: kernel images, modules and their
//! lists, as plain files in a new folder, within bounds.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use super::unpack::LIMIT;

/// A distribution's largest kernel has 7 000 modules.
const MOST_FILES: u32 = 50_000;
/// Of all files: Ubuntu's modules with debugging information have 1 GB.
const MOST_BYTES: u64 = 2 << 30;
/// A package is read to its end, whatever is in it.
pub(super) const MOST_READ: u64 = 8 << 30;

/// Files taken into a folder.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    root: &'a Path,
    files: u32,
    bytes: u64,
}

impl<'a> Taken<'a> {
    /// None yet. `root` is an empty folder.
    pub(super) const fn into(root: &'a Path) -> Self {
        Self { root, files: 0, bytes: 0 }
    }

    /// Number of files.
    pub(super) const fn files(&self) -> u32 {
        self.files
    }

    /// Takes the file `name` of a package if it belongs to a kernel.
    ///
    /// # Errors
    /// That the name leads out of the package, that it is there twice, that it is
    /// too much, or what could not be read or written.
    pub(super) fn offer(&mut self, name: &Path, content: &mut dyn Read) -> Result<(), String> {
        let Some(place) = place(name)? else { return Ok(()) };
        let at_file = |error: io::Error| format!("{}: {error}", place.display());
        self.files += 1;
        if self.files > MOST_FILES {
            return Err(format!("it has more than {MOST_FILES} files"));
        }
        let path = self.root.join(&place);
        fs::create_dir_all(path.parent().unwrap_or(self.root)).map_err(at_file)?;
        // Nothing but plain files and folders was made here, so no link leads away;
        // a second file of one name is refused.
        let mut file = File::create_new(&path).map_err(at_file)?;
        let bytes = io::copy(&mut content.take(LIMIT as u64 + 1), &mut file).map_err(at_file)?;
        self.bytes += bytes;
        if bytes > LIMIT as u64 || self.bytes > MOST_BYTES {
            return Err(format!("{} is larger than in any kernel", place.display()));
        }
        file.flush().map_err(at_file)
    }
}

/// Where a file of a package goes: `boot/…` or `lib/modules/…`; `None` for what
/// belongs to no kernel.
fn place(name: &Path) -> Result<Option<PathBuf>, String> {
    let mut parts = Vec::new();
    for part in name.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            _ => {
                let name = printable(&name.to_string_lossy());
                return Err(format!("`{name}` leads out of the package: it is not to be trusted"));
            }
        }
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Ok(match *parts.as_slice() {
        ["boot", file] | ["boot", "firmware", file] if is_image(file) => {
            Some(Path::new("boot").join(file))
        }
        ["lib", "modules", release, ref below @ ..]
        | ["usr", "lib", "modules", release, ref below @ ..]
            if below.last().is_some_and(|file| is_of_modules(file)) =>
        {
            let folder = Path::new("lib/modules").join(release);
            Some(below.iter().fold(folder, |path, part| path.join(part)))
        }
        _ => None,
    })
}

fn is_image(file: &str) -> bool {
    file.starts_with("vmlinuz-")
        || file.starts_with("vmlinux-")
        || (file.starts_with("kernel") && file.ends_with(".img"))
}

/// Modules, the list of those built in, and the image that some distributions put
/// there. Not `modules.dep`: most of what it lists does not stay.
fn is_of_modules(file: &str) -> bool {
    super::modules::module_name(file).is_some() || matches!(file, "vmlinuz" | "modules.builtin")
}

/// A stranger's name, fit for a terminal.
pub(super) fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_taken_and_nothing_else() {
        for (name, taken) in [
            ("./boot/vmlinuz-6.1", Some("boot/vmlinuz-6.1")),
            ("boot/firmware/kernel8.img", Some("boot/kernel8.img")),
            ("./boot/System.map-6.1", None),
            ("./boot/a/vmlinuz-6.1", None),
            (
                "./usr/lib/modules/6.1/kernel/fs/ext4/ext4.ko.xz",
                Some("lib/modules/6.1/kernel/fs/ext4/ext4.ko.xz"),
            ),
            ("lib/modules/6.1/vmlinuz", Some("lib/modules/6.1/vmlinuz")),
            ("lib/modules/6.1/modules.builtin", Some("lib/modules/6.1/modules.builtin")),
            ("lib/modules/6.1/build/Makefile", None),
            ("etc/passwd", None),
        ] {
            assert_eq!(place(Path::new(name)).unwrap().as_deref(), taken.map(Path::new), "{name}");
        }
    }

    #[test]
    fn what_leads_out_is_refused() {
        for name in
            ["../boot/vmlinuz-1", "/boot/vmlinuz-1", "lib/modules/../../../etc/x.ko", "x/.."]
        {
            let error = place(Path::new(name)).unwrap_err();
            assert!(error.contains("leads out"), "{error}");
        }
    }

    #[test]
    fn a_name_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut taken = Taken::into(folder.path());
        let name = Path::new("boot/vmlinuz-1");
        taken.offer(name, &mut &b"one"[..]).unwrap();
        taken.offer(name, &mut &b"two"[..]).unwrap_err();
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"one");
    }
}
