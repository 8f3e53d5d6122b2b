//! Files of the host that are brought into a sandbox.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use isolde_model::FileSource;
use isolde_runner::Provisions;

use crate::exit::{Exit, ExitContext, tagged};

/// Files of one folder that are brought; more belong into an image.
const MOST_FILES: usize = 10_000;

/// Reads `FILE[:DEST]`s.
///
/// # Errors
/// A file that is not there, or a place that is none.
pub(crate) fn parse(words: &[String]) -> anyhow::Result<Vec<FileSource>> {
    words.iter().map(|word| parse_one(word)).collect()
}

fn parse_one(word: &str) -> anyhow::Result<FileSource> {
    let usage = |why: String| tagged(Exit::Usage, format!("--bring {word}: {why}"));
    // A path may hold a colon; a destination begins with a slash.
    let (path, destination) = match word.rsplit_once(":/") {
        Some((path, rest)) => (path, Some(format!("/{rest}"))),
        None => (word, None),
    };
    let path = fs::canonicalize(path).map_err(|error| usage(format!("{path}: {error}")))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| usage("it has no name: give a place after a colon".into()))?;
    let destination = match destination {
        None => format!("/{name}"),
        Some(folder) if folder.ends_with('/') => format!("{folder}{name}"),
        Some(place) => place,
    };
    let path = path
        .into_os_string()
        .into_string()
        .map_err(|_| usage("its path is not UTF-8, so a plan file could not hold it".into()))?;
    Ok(FileSource { path, destination })
}

/// Brings each file, and everything in each folder, into the root file system.
///
/// # Errors
/// What cannot be read, or a place that is taken.
pub(crate) fn bring(provisions: &mut Provisions, files: &[FileSource]) -> anyhow::Result<()> {
    for (source, place) in plain_files(files)? {
        let brought = provisions.bring(&source, &place);
        brought.map_err(|error| {
            let why = crate::exit::chain(&error.into());
            tagged(Exit::Usage, format!("{} cannot be brought along: {why}", source.display()))
        })?;
    }
    Ok(())
}

/// Each file, and everything in each folder, with its place.
///
/// # Errors
/// What cannot be read.
pub(crate) fn plain_files(files: &[FileSource]) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
    let mut all = Vec::new();
    for FileSource { path, destination } in files {
        let mut found = Vec::new();
        gather(Path::new(path), Path::new(destination), &mut found)?;
        all.extend(found);
    }
    Ok(all)
}

/// Every plain file at or below `path`, with its place. Links to files are
/// followed; a link to a folder could lead in circles.
fn gather(path: &Path, place: &Path, found: &mut Vec<(PathBuf, PathBuf)>) -> anyhow::Result<()> {
    let unreadable = || format!("{} cannot be read", path.display());
    let usage = |why: &str| {
        Err(tagged(Exit::Usage, format!("{} cannot be brought along: {why}", path.display())))
    };
    let kind = fs::symlink_metadata(path).with_context(unreadable).exit_with(Exit::Usage)?;
    if !kind.is_dir() {
        if !fs::metadata(path).with_context(unreadable).exit_with(Exit::Usage)?.is_file() {
            return usage("it is neither a file nor a folder");
        }
        if found.len() >= MOST_FILES {
            return usage("it is one of more than 10000 files: make an image of them");
        }
        found.push((path.to_owned(), place.to_owned()));
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path).with_context(unreadable).exit_with(Exit::Usage)? {
        names.push(entry.with_context(unreadable).exit_with(Exit::Usage)?.file_name());
    }
    names.sort_unstable();
    for name in names {
        gather(&path.join(&name), &place.join(&name), found)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_or_made_up() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a:b");
        fs::write(&odd, "").unwrap();
        let place = |word: String| parse_one(&word).map(|file| file.destination);
        let odd = odd.display();
        assert_eq!(place(odd.to_string()).unwrap(), "/a:b");
        assert_eq!(place(format!("{odd}:/x/y")).unwrap(), "/x/y");
        assert_eq!(place(format!("{odd}:/x/")).unwrap(), "/x/a:b");
        let error = place(format!("{odd}c:/x")).unwrap_err().to_string();
        assert!(error.contains("--bring") && error.contains("No such file"), "{error}");
        assert!(place("/".into()).is_err());
    }

    #[test]
    fn a_folder_brings_its_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        for name in ["z", "sub/a", "b"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("z", folder.path().join("link")).unwrap();
        let mut found = Vec::new();
        gather(folder.path(), Path::new("/data"), &mut found).unwrap();
        let places: Vec<_> = found.iter().map(|(_, place)| place.to_str().unwrap()).collect();
        assert_eq!(places, ["/data/b", "/data/link", "/data/sub/a", "/data/z"]);
        std::os::unix::fs::symlink(".", folder.path().join("circle")).unwrap();
        assert!(gather(folder.path(), Path::new("/data"), &mut Vec::new()).is_err());
    }
}
