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
        ("run --on nosuch", &["`nosuch`", "process, container, docker, microvm"]),
        ("exec --on process,nosuch -- true", &["`nosuch`", "process, container, docker, microvm"]),
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
fn programs_that_cannot_be_meant() {
    refused(&[
        ("run --app road-sign --image x", &["cannot be used with"]),
        ("run --app road-sign -- true", &["cannot be used with"]),
        ("run plan.toml --image x", &["cannot be used with"]),
        ("run --bring /etc/passwd", &["--bring needs a program", "--image REF or -- COMMAND"]),
        ("run --name x", &["--name needs a program"]),
        ("run --ready tcp:80", &["--ready needs a program"]),
        ("run --ready udp:80 -- true", &["`udp:80` is no readiness sign", "tcp:PORT"]),
        ("run -- /nowhere/program", &["`/nowhere/program` cannot be found"]),
        ("run -- nosuchprogram", &["`nosuchprogram` is no command of this host", "--image"]),
        ("run -- /etc/passwd", &["`/etc/passwd` is not executable"]),
        ("run -- /etc", &["`/etc` is no file"]),
    ]);
    if !ready(&["process"]) {
        return;
    }
    let folder = folder();
    script(folder.path(), "own.sh", "#!/bin/sh\n");
    let own = folder.path().join("own.sh").display().to_string();
    run(&["run", "--", &own]).expect(2, &["not an executable of this machine", "--image"]);
    let line = |flag: &str, value: &str| {
        run(&["run", "--on", "process", flag, value, "--", BUSYBOX, "true"])
    };
    line("--bring", "/nowhere/file").expect(2, &["--bring /nowhere/file", "No such file"]);
    line("--bring", "/dev/null:/x").expect(2, &["neither a file nor a folder"]);
    line("--bring", &format!("{own}:/bin/busybox")).expect(2, &["something else lies there"]);
    line("--name", "My Net").expect(2, &["`My Net`", "a-z, 0-9"]);
    line("--name", "road-sign").expect(2, &["Isolde's own"]);
    line("--inferences", "0").expect(2, &["inferences is 0"]);
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
fn numbers_of_threads_that_cannot_be_meant() {
    refused(&[
        ("run --threads x", &["`x` is no number of threads", "1,2,4"]),
        ("run --threads 1,", &["`1,` is no number of threads"]),
    ]);
    if !ready(&["process"]) {
        return;
    }
    refused(&[
        ("run --threads 0", &["threads is 0", "--threads 1"]),
        ("run --threads 1,0", &["threads is 0", "--threads 1"]),
        ("run --threads 1,1 --cpus 1", &["`1` is named twice"]),
        ("run --threads 2 --cpus 1", &["2 threads on 1 CPUs", "--threads"]),
        ("run --threads 1,2 --cpus 1", &["2 threads on 1 CPUs", "--threads"]),
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
