//! A container of the Docker Engine, and the docker command line with the same
//! image and options.

use std::process::Command;

use anyhow::ensure;

use crate::ground::{Ground, MEMORY, has, time};
use crate::turns::{Side, take};

pub(crate) fn compare(rounds: usize) -> anyhow::Result<Option<Vec<Side>>> {
    if !has("docker", "docker", "docker.io") {
        return Ok(None);
    }
    let Some(ground) = Ground::lay("docker", 1)? else { return Ok(None) };
    let image = image()?;
    let cpu = ground.with_spec(|spec| Ok(spec.cpus[0]))?.to_string();
    let memory = MEMORY.bytes().to_string();
    let mut docker = || {
        time(
            Command::new("docker")
                .args(["run", "--rm", "--interactive", "--hostname", "isolde"])
                .args(["--network", "none", "--read-only", "--tmpfs", "/tmp", "--tmpfs", "/run"])
                .args(["--cpuset-cpus", &cpu, "--memory", &memory, "--memory-swap", &memory])
                .args(["--log-driver", "none", &image, "/bin/busybox", "true"]),
        )
    };
    let sides = take(
        rounds,
        vec![
            ("docker run --rm", &mut docker),
            ("docker", &mut || ground.launch_true()),
            ("isolde exec, whole", &mut || time(&mut ground.command_true())),
        ],
    )?;
    Ok(Some(sides))
}

/// The image that the back end imported for this process.
fn image() -> anyhow::Result<String> {
    let tag = format!("reference=isolde-root:*-{}", std::process::id());
    let output =
        Command::new("docker").args(["image", "ls", "--quiet", "--filter", &tag]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let id = String::from_utf8(output.stdout)?.trim().to_owned();
    ensure!(!id.is_empty(), "the image is not in the Engine");
    Ok(id)
}
