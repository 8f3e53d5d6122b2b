//! Everything that is on a device without disks, as one archive.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use isolde_image::{CpioArchive, CpioNode, HostKernel, ImageError};

use super::{BUSYBOX, Deterministic, MODULES};
use crate::{Command, TestbedError};

/// The first process.
const BEGIN: &str = include_str!("../../device/begin.sh");

/// Folders that are there besides those of files.
const FOLDERS: [&str; 14] = [
    "bin", "boot", "dev", "etc", "lib", "modules", "proc", "root", "sys", "testbed", "usr",
    "usr/lib", "var", "var/lib",
];

/// A file of the archive.
struct Content {
    bytes: Vec<u8>,
    mode: u32,
}

/// Writes the archive for this device and command to `path`.
pub(super) fn write(
    device: &Deterministic<'_>,
    kernel: &HostKernel,
    command: &Command,
    path: &Path,
) -> Result<(), TestbedError> {
    let mut files = BTreeMap::new();
    let script = |text: String| Content { bytes: text.into_bytes(), mode: 0o755 };
    files.insert(PathBuf::from("init"), script(BEGIN.to_owned()));
    files.insert("testbed/command".into(), script(command_script(command)));
    let results = command.results.as_deref().unwrap_or_default();
    files.insert("testbed/results".into(), script(format!("RESULTS={}\n", quoted(results))));
    if !Path::new(BUSYBOX).is_file() {
        return Err(TestbedError::NoBusybox);
    }
    files.insert("bin/busybox".into(), read(Path::new(BUSYBOX))?);
    files.insert("isolde".into(), read(device.agent)?);
    for (source, place) in &device.files {
        let place = place.strip_prefix("/").unwrap_or(place).to_owned();
        files.insert(place, read(source)?);
    }
    let modules = kernel.unpacked_modules(&MODULES).map_err(TestbedError::Build)?;
    for (index, (name, bytes)) in modules.into_iter().enumerate() {
        let place = format!("modules/{index:02}-{name}.ko");
        files.insert(place.into(), Content { bytes, mode: 0o644 });
    }
    let written = fs::write(path, archive(&files));
    written.map_err(|error| TestbedError::os("write the initramfs", error))
}

fn read(path: &Path) -> Result<Content, TestbedError> {
    let failed = |source| TestbedError::Bring {
        path: path.to_owned(),
        source: ImageError::File { action: "read", path: path.to_owned(), source },
    };
    let bytes = fs::read(path).map_err(failed)?;
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    Ok(Content { bytes, mode: if mode & 0o111 == 0 { 0o644 } else { 0o755 } })
}

fn archive(files: &BTreeMap<PathBuf, Content>) -> Vec<u8> {
    let mut folders: Vec<PathBuf> = FOLDERS.map(PathBuf::from).to_vec();
    for path in files.keys() {
        folders.extend(path.ancestors().skip(1).map(Path::to_owned));
    }
    // In this order parents come before what is in them.
    folders.sort();
    folders.dedup();
    let mut archive = CpioArchive::default();
    for folder in folders.iter().filter(|folder| !folder.as_os_str().is_empty()) {
        archive.add(&folder.to_string_lossy(), CpioNode::Folder);
    }
    archive.add("dev/console", CpioNode::CharacterDevice { major: 5, minor: 1 });
    for (path, Content { bytes, mode }) in files {
        archive.add(&path.to_string_lossy(), CpioNode::File { content: bytes, mode: *mode });
    }
    archive.finish()
}

/// The command as a shell reads it.
fn command_script(command: &Command) -> String {
    let mut script = String::new();
    for variable in &command.env {
        script.push_str(&format!("export {}\n", quoted(variable)));
    }
    let kernel = command.kernel.as_ref();
    script.extend(kernel.map(|release| {
        let keep = format!("*-{}", quoted(release));
        format!(
            "for image in /boot/vmlinu*; do case $image in {keep}) ;; *) rm \"$image\" ;; esac; done\n"
        )
    }));
    let words: Vec<String> = command.argv.iter().map(|word| quoted(word)).collect();
    script.push_str(&format!("exec {}\n", words.join(" ")));
    script
}

/// One word of a shell's, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_command_as_they_are() {
        let words = ["printf", "%s|", "a b", "it's", "$HOME", "", "\"", "--on=x,y", "*"];
        let command = Command {
            argv: words.map(str::to_owned).to_vec(),
            env: vec!["A=b c".into()],
            docker: false,
            kernel: None,
            results: None,
            limit: isolde_model::Span(std::time::Duration::from_secs(1)),
        };
        let script = command_script(&command);
        let ran = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(said, "a b|it's|$HOME||\"|--on=x,y|*|");
    }
}
