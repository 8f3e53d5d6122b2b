//! Images that the Engine keeps between runs, for roots that can be written to.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use isolde_backends::docker::Docker;
use isolde_backends::{Backend, SandboxSpec};

use crate::{Bench, docker_cli, spec_of};

#[test]
fn an_image_is_kept_for_the_next_run_and_forgotten_on_request() {
    let Some(bench) = Bench::set_up() else { return };
    bench.docker.prepare(&bench.writable_spec()).unwrap();
    let kept = format!("isolde-root:{}", bench.digest);
    let id = docker_cli(&["image", "ls", "--quiet", &kept]);
    assert_ne!(id, "");
    assert_eq!(docker_cli(&["image", "ls", "--quiet", &bench.tag()]), id);
    // While it is in use it stays.
    let (swept, forgotten) = (Docker::new().sweep(), Docker::new().forget(&bench.digest));
    assert!(swept.unwrap().removed.iter().all(|leak| leak.detail != kept));
    assert!(forgotten.unwrap().removed.is_empty());
    // Another run needs no archive to import.
    let next = Docker::new();
    next.prepare(&SandboxSpec { root: "/nowhere".into(), ..bench.writable_spec() }).unwrap();
    assert_eq!(next.retire(), []);
    bench.docker.retire();
    assert_eq!(docker_cli(&["image", "ls", "--quiet", &bench.tag()]), "");
    Docker::new().forget(&bench.digest).unwrap();
    assert_eq!(docker_cli(&["image", "ls", "--quiet", &kept]), "");
    bench.close();
}

#[test]
fn an_image_that_was_only_named_like_ours_is_not_taken_for_it() {
    let Some(bench) = Bench::set_up() else { return };
    let kept = format!("isolde-root:{}", bench.digest);
    let root = bench.root();
    docker_cli(&["import", root.to_str().unwrap(), &kept]);
    let forged = docker_cli(&["image", "ls", "--quiet", &kept]);
    bench.docker.prepare(&bench.writable_spec()).unwrap();
    assert_ne!(docker_cli(&["image", "ls", "--quiet", &kept]), forged);
    docker_cli(&["image", "rm", &forged]);
    bench.docker.retire();
    Docker::new().forget(&bench.digest).unwrap();
    assert_eq!(docker_cli(&["image", "ls", "--quiet", &kept]), "");
    bench.close();
}

#[test]
fn a_writable_root_is_written_and_forgotten() {
    let Some(bench) = Bench::set_up() else { return };
    for _ in 0..2 {
        let mut launched = bench.launch_writable("write");
        assert_eq!(String::from_utf8(launched.output()).unwrap(), "written\n");
        launched.close();
    }
    bench.docker.retire();
    Docker::new().forget(&bench.digest).unwrap();
    bench.close();
}

/// Labelled with the digest, whatever they are called.
fn images_of(bench: &Bench) -> String {
    let filter = format!("label=isolde.root={}", bench.digest);
    docker_cli(&["image", "ls", "--all", "--quiet", "--no-trunc", "--filter", &filter])
}

/// Another process that prepares the bench's root and ends without a goodbye.
fn run_that_dies(bench: &Bench) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "images::play_the_run_that_dies"])
        .env("ISOLDE_TEST_ARCHIVE", bench.root())
        .env("ISOLDE_TEST_DIGEST", &bench.digest)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn runs_at_once_do_not_disturb_each_other_and_what_they_leave_is_swept() {
    let Some(bench) = Bench::set_up() else { return };
    let runs = [run_that_dies(&bench), run_that_dies(&bench), run_that_dies(&bench)];
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    let kept = format!("isolde-root:{}", bench.digest);
    assert_ne!(docker_cli(&["image", "ls", "--quiet", &kept]), "");
    let swept = Docker::new().sweep().unwrap();
    assert!(swept.stayed.iter().all(|leak| !leak.detail.contains(&bench.digest[..16])));
    assert_eq!(images_of(&bench), "");
    bench.close();
}

/// Not a test of its own: what the test above starts.
#[test]
fn play_the_run_that_dies() {
    let Some(archive) = std::env::var_os("ISOLDE_TEST_ARCHIVE") else { return };
    let digest = std::env::var("ISOLDE_TEST_DIGEST").unwrap();
    let docker = Docker::new();
    let spec = spec_of(PathBuf::from(archive), &digest);
    docker.prepare(&SandboxSpec { writable_root: true, ..spec }).unwrap();
    std::mem::forget(docker);
}
