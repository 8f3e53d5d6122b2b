//! Images that the Engine keeps between runs, for roots that can be written to.

use std::path::Path;

use isolde_backends::Backend;
use isolde_backends::docker::Docker;

use crate::{Bench, docker_cli};

#[test]
fn an_image_is_kept_for_the_next_run_and_forgotten_on_request() {
    let Some(bench) = Bench::set_up() else { return };
    bench.docker.prepare(&bench.root(), &bench.digest, true).unwrap();
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
    next.prepare(Path::new("/nowhere"), &bench.digest, true).unwrap();
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
    bench.docker.prepare(&root, &bench.digest, true).unwrap();
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
