//! `testbed`: what is refused before any device is made.

use crate::rig::{finish, folder, isolde, ready, run, script};

#[test]
fn what_cannot_be_meant_is_refused() {
    if !ready(&["process"]) || !cfg!(target_arch = "x86_64") {
        return;
    }
    let folder = folder();
    script(folder.path(), "script.sh", "#!/bin/sh\n");
    let own = folder.path().join("script.sh").display().to_string();
    let taken = folder.path().display().to_string();
    let cases: &[(&[&str], &[&str])] = &[
        (&["run"], &["<ARGS>"]),
        (&["run", "--timeout", "0s", "--", "doctor"], &["timeout is 0", "--timeout 1s"]),
        (&["run", "--cpus", "0", "--", "doctor"], &["CPUs is 0", "--cpus 1"]),
        (&["run", "--cpus", "5000", "--", "doctor"], &["5000 CPUs", "may be used here"]),
        (&["run", "--memory", "64M", "--", "doctor"], &["too little for a device", "--memory 1G"]),
        (&["run", "--memory", "90000G", "--", "doctor"], &["this host has", "--memory"]),
        (&["run", "--", "run", "--out", "x"], &["before --"]),
        (&["run", "--out", &taken, "--", "run"], &["is not an empty folder", "--out"]),
        (&["run", "--firecracker", "/nowhere", "--", "doctor"], &["--firecracker", "No such file"]),
        (&["run", "--firecracker", "/etc", "--", "doctor"], &["--firecracker", "it is no file"]),
        (&["run", "--bring", "/etc/passwd:/tmp/x", "--", "doctor"], &["/tmp", "starts empty"]),
        (&["run", "--program", &own], &["not an executable of this machine"]),
        (&["run", "--program", "/bin/sh"], &["dynamically linked"]),
        (&["run", "--bring", "/nowhere", "--", "doctor"], &["--bring /nowhere", "No such file"]),
        (&["build", "--packages", "fine,Not-fine"], &["`Not-fine` is no name of a Debian package"]),
        (&["run", "--deterministic", "--cpus", "2", "--", "doctor"], &["cannot be used with"]),
        (&["shell"], &["needs a terminal", "testbed run"]),
    ];
    for (words, said) in cases {
        run(&[&["testbed"], *words].concat()).expect(2, said);
    }
}

#[test]
fn a_host_without_mmdebstrap_is_told_what_brings_it() {
    if !ready(&["process"]) || !cfg!(target_arch = "x86_64") {
        return;
    }
    let nothing = folder();
    let mut build = isolde(&["testbed", "build", "--packages", "never-made"]);
    build.env("PATH", nothing.path());
    if std::path::Path::new("/usr/sbin/mmdebstrap").exists() {
        return;
    }
    finish(&mut build).expect(3, &["mmdebstrap is not installed", "apt-get install"]);
}
