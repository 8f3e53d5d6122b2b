//! Wrong usage: exit code 2, what is wrong and what to do.

use crate::rig::{BUSYBOX, folder, ready, run, script};

/// Fails unless every command line is refused in these words.
fn refused(cases: &[(&str, &[&str])]) {
    for (line, words) in cases {
        let ran = run(&line.split(' ').collect::<Vec<_>>()).expect(2, words);
        assert!(ran.stdout.is_empty(), "{line}: {}", ran.out());
    }
}

#[test]
fn unknown_words() {
    refused(&[
        ("bogus", &["unrecognized subcommand"]),
        ("run --on nosuch", &["`nosuch`", "process, container, docker, vm"]),
        ("exec --on process,nosuch -- true", &["`nosuch`", "process, container, docker, vm"]),
        ("run --on process,process", &["`process` is named twice"]),
        ("run --on process,all", &["`all` stands alone"]),
        ("run --preset fast", &["`fast`", "quick and full"]),
        ("run --memory much", &["`much`", "512M"]),
        ("exec --on process --timeout long -- true", &["`long`", "2m"]),
        ("exec -- true", &["--on <ENV>"]),
        ("exec --on process", &["<COMMAND>"]),
    ]);
}

#[test]
fn counts_and_sizes_that_cannot_be_meant() {
    if !ready(&["process"]) {
        return;
    }
    refused(&[
        ("run --app nosuch", &["unknown application `nosuch`", "road-sign"]),
        ("run --launches 0", &["launches is 0", "--launches 1"]),
        ("run --launches -1", &["'-1'", "--launches"]),
        ("run --inferences 0", &["inferences is 0", "--inferences 1"]),
        ("run --warm-up 2000000", &["2000000", "1000000"]),
        ("run --cpus 0", &["CPUs is 0", "--cpus 1"]),
        ("run --threads 0", &["threads is 0", "--threads 1"]),
        ("run --threads 2 --cpus 1", &["2 threads on 1 CPUs", "--threads"]),
        ("run --cpus 5000", &["5000 CPUs", "may be used here"]),
        ("run --memory 0", &["too little", "--memory 16M"]),
        ("run --memory 1M", &["too little", "--memory 16M"]),
        ("run --memory 100001K", &["whole MiB", "--memory 97M"]),
        ("run --memory 90000G", &["90000G of memory", "this host has", "--memory"]),
        ("run --baseline nosuch", &["`nosuch`", "process, container"]),
        ("run --on process --baseline docker", &["`docker`", "--on"]),
        ("exec --on process --cpus 0 -- true", &["CPUs is 0", "--cpus 1"]),
        ("exec --on process --cpus 5000 -- true", &["5000 CPUs"]),
        ("exec --on process --memory 1M -- true", &["--memory 16M"]),
        ("exec --on process --memory 90000G -- true", &["this host has"]),
        ("exec --on process --timeout 0s -- true", &["timeout is 0", "--timeout 1s"]),
    ]);
}

#[test]
fn files_that_are_not_what_they_should_be() {
    refused(&[
        ("run /nonexistent.toml", &["cannot read the plan /nonexistent.toml", "No such file"]),
        ("run /", &["cannot read the plan /", "Is a directory"]),
        ("plan /etc/passwd", &["/etc/passwd is not a plan"]),
        ("report /nonexistent", &["/nonexistent is not a bundle", "nothing there"]),
        ("report /", &["/ is not a bundle", "bundle.json"]),
        ("report /etc/passwd", &["/etc/passwd is not a bundle", "not a folder"]),
    ]);
}

#[test]
fn commands_that_cannot_run_in_a_sandbox() {
    let folder = folder();
    let place = folder.path().display();
    script(folder.path(), "script", "#!/bin/sh\necho hi\n");
    std::fs::write(folder.path().join("text"), "no program").unwrap();
    refused(&[
        ("exec --on process -- no-such-command", &["`no-such-command`", "give its path"]),
        ("exec --on process -- /no/such/command", &["`/no/such/command`", "No such file"]),
        ("exec --on process -- /tmp", &["`/tmp` is no file"]),
        ("exec --on process -- /bin/sh", &["dynamically linked", "busybox-static"]),
        (&format!("exec --on process -- {place}/script"), &["not an executable", "script"]),
        (&format!("exec --on process -- {place}/text"), &["is not executable", "chmod +x"]),
    ]);
}

#[test]
fn a_folder_that_holds_something_or_cannot_be_made() {
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    let full = folder.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("precious"), "x").unwrap();
    let short = "run --on process --launches 1 --inferences 1 --out";
    let line = format!("{short} {}", full.display());
    refused(&[
        (&line, &["is not empty", "--out"]),
        (&format!("{short} /proc/results"), &["cannot make /proc/results", "--out"]),
        (&format!("{short} {BUSYBOX}/results"), &["cannot make", "Not a directory", "--out"]),
    ]);
    assert_eq!(std::fs::read_dir(&full).unwrap().count(), 1);
}
