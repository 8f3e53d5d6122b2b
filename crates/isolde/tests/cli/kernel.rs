//! Guest kernels on the command line.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::rig::{BUSYBOX, Running, finish, folder, has, isolde, needs, path_with, ready, script};

/// A compiler that says its version and a `make` that never ends.
const GCC: &str = "#!/bin/sh\necho 'gcc (made up) 1'\n";
const HANGING_MAKE: &str = "#!/bin/sh\n: > \"$STARTED\"\nexec sleep 1000\n";

fn kept(cache: &Path) -> usize {
    fs::read_dir(cache.join("isolde/kernels")).unwrap().count()
}

#[test]
fn what_is_no_kernel_is_refused_and_nothing_is_kept() {
    let folder = folder();
    let file = folder.path().join("notes.deb");
    fs::write(&file, "no package").unwrap();
    let mut command = isolde(&["kernel", "add"]);
    command.arg(&file).env("XDG_CACHE_HOME", folder.path());
    finish(&mut command).expect(2, &["notes.deb is no kernel for guests", "neither a bzImage"]);
    assert_eq!(kept(folder.path()), 0);
}

#[test]
fn a_damaged_kernel_in_the_cache_is_listed_as_such() {
    let folder = folder();
    let boot = folder.path().join("isolde/kernels/damaged/boot");
    fs::create_dir_all(&boot).unwrap();
    fs::write(boot.join("vmlinuz-1.2.3"), "damaged").unwrap();
    fs::write(boot.join("../origin"), "a package").unwrap();
    let mut command = isolde(&["kernel", "list", "--format", "json"]);
    let listing = finish(command.env("XDG_CACHE_HOME", folder.path())).expect(0, &[]).json();
    let kernels = listing["kernels"].as_array().unwrap();
    let damaged = kernels.iter().find(|kernel| kernel["origin"] == "a package").unwrap();
    assert!(damaged["problem"].as_str().unwrap().contains("neither a bzImage"), "{damaged}");
    assert!(damaged["default"].is_null() && damaged["release"].is_null(), "{damaged}");
    let mut command = isolde(&["kernel", "list"]);
    finish(command.env("XDG_CACHE_HOME", folder.path())).expect(0, &["of no use", "a package"]);
}

#[test]
fn a_kernel_that_is_not_there_is_told_with_those_that_are() {
    if !ready(&["vm"]) {
        return;
    }
    let line = ["exec", "--on", "vm", "--kernel", "9.9.9", "--", BUSYBOX, "true"];
    finish(&mut isolde(&line)).expect(3, &["no kernel 9.9.9", "there are", "isolde kernel list"]);
}

#[test]
fn a_kernel_for_environments_that_boot_none_is_wrong_usage() {
    let line = ["exec", "--on", "process", "--kernel", "6.1", "--", BUSYBOX, "true"];
    finish(&mut isolde(&line)).expect(2, &["run on the host's kernel"]);
    finish(&mut isolde(&["plan", "--on", "process", "--kernel", "6.1"]))
        .expect(2, &["run on the host's kernel"]);
}

#[test]
fn a_build_that_is_stopped_leaves_nothing() {
    let libelf = "/usr/include/libelf.h";
    if !has("tar") || !needs(Path::new(libelf).exists(), libelf) {
        return;
    }
    let folder = folder();
    fs::create_dir(folder.path().join("source")).unwrap();
    fs::write(folder.path().join("source/Kconfig"), "").unwrap();
    let archive = folder.path().join("linux.tar");
    let mut tar = Command::new("tar");
    tar.arg("-cf").arg(&archive).arg("-C").arg(folder.path()).arg("source");
    assert!(tar.status().unwrap().success());
    let started = folder.path().join("started");
    script(folder.path(), "make", HANGING_MAKE);
    for tool in ["gcc", "strip", "ld", "flex", "bison", "bc", "perl", "xz"] {
        script(folder.path(), tool, GCC);
    }
    let mut command = isolde(&["kernel", "build", "--source"]);
    command.arg(&archive).env("XDG_CACHE_HOME", folder.path()).env("STARTED", &started);
    let mut running = Running::start(command.env("PATH", path_with(folder.path())));
    running.wait_until(|| started.exists());
    running.signal(Signal::INT);
    running.end().expect(130, &["interrupted; nothing was kept"]);
    assert_eq!(kept(folder.path()), 0);
}

#[test]
fn a_build_without_tools_says_what_brings_them() {
    let folder = folder();
    let mut command = isolde(&["kernel", "build"]);
    command.env("XDG_CACHE_HOME", folder.path()).env("PATH", folder.path());
    let words = ["tools are missing: sudo apt-get install --yes", "gcc", "make", "flex", "bison"];
    finish(&mut command).expect(3, &words);
    assert_eq!(kept(folder.path()), 0);
}
