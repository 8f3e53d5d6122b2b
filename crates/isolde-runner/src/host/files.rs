//! Small files of a host below a root folder.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Reads files below a folder that stands for `/`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    root: &'a Path,
}

impl<'a> Files<'a> {
    /// Files below `root`.
    pub(super) const fn below(root: &'a Path) -> Self {
        Self { root }
    }

    /// The text of the file at `path` (without a leading slash), without white
    /// space and NUL bytes at its ends; `None` where there is none or it is empty.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = fs::read(self.root.join(path)).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The number that is the whole text of the file at `path`.
    pub(super) fn number(&self, path: impl AsRef<Path>) -> Option<i64> {
        self.text(path)?.parse().ok()
    }

    /// Whether there is something at `path`.
    pub(super) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.root.join(path).exists()
    }

    /// Paths of the entries of `folder` whose names begin with `prefix`, sorted.
    pub(super) fn entries(&self, folder: &str, prefix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let starts = |name: &OsStr| name.as_encoded_bytes().starts_with(prefix.as_bytes());
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.file_name())
            .filter(|name| starts(name))
            .map(|name| Path::new(folder).join(name))
            .collect();
        paths.sort_unstable();
        paths
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A root folder with these files.
    pub(in super::super) fn host_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn what_is_not_there_or_makes_no_sense_is_none() {
        let root = host_with(&[("a/x1", " 7\n"), ("a/x2", "\n"), ("a/y", "seven"), ("n", "pi\0")]);
        let files = Files::below(root.path());
        assert_eq!(files.number("a/x1"), Some(7));
        assert_eq!((files.number("a/y"), files.number("a")), (None, None));
        assert_eq!((files.text("a/x2"), files.text("gone")), (None, None));
        assert_eq!(files.text("n").as_deref(), Some("pi"));
        assert_eq!(files.entries("a", "x"), [Path::new("a/x1"), Path::new("a/x2")]);
        assert!(files.entries("gone", "").is_empty());
    }
}
