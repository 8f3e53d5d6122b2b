//! A container, and runc with the same bundle.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use crate::ground::{Ground, MEMORY, has, time};
use crate::turns::{Side, take};

pub(crate) fn compare(rounds: usize) -> anyhow::Result<Option<Vec<Side>>> {
    if !has("container", "runc", "runc") {
        return Ok(None);
    }
    let Some(ground) = Ground::lay("container", 1)? else { return Ok(None) };
    let bundle = ground.folder.path().join("runc");
    write_bundle(&ground, &bundle)?;
    let name = format!("isolde-bench-{}", std::process::id());
    let mut runc = || time(Command::new("runc").args(["run", "--bundle"]).arg(&bundle).arg(&name));
    let sides = take(
        rounds,
        vec![
            ("runc run", &mut runc),
            ("container", &mut || ground.launch_true()),
            ("isolde exec, whole", &mut || time(&mut ground.command_true())),
        ],
    )?;
    Ok(Some(sides))
}

/// The bundle that the back end writes, with `true` in the agent's place, and
/// with the limits that the back end sets itself before there is a container.
fn write_bundle(ground: &Ground, target: &Path) -> anyhow::Result<()> {
    let (text, cpus) = ground.with_spec(|spec| {
        let written = spec.scratch.join("bundle/config.json");
        let cpus = spec.cpus.clone();
        let mut sandbox = ground.backend.create(spec)?;
        let text = fs::read_to_string(written)?;
        sandbox.destroy();
        Ok((text, cpus))
    })?;
    let mut config: Value = serde_json::from_str(&text)?;
    config["process"]["args"] = json!(["/bin/busybox", "true"]);
    config["linux"]["cgroupsPath"] = json!(format!("/isolde-bench-{}", std::process::id()));
    // runc makes its cgroup anew for every container, too late to be a source;
    // as many mounts are made from the folders above.
    for mount in config["mounts"].as_array_mut().context("no mounts")? {
        if mount["type"] == "bind" {
            mount["source"] = mount["destination"].clone();
        }
    }
    let resources = config["linux"]["resources"].as_object_mut().context("no resources")?;
    let cpus: Vec<String> = cpus.iter().map(u32::to_string).collect();
    resources.insert("cpu".into(), json!({ "cpus": cpus.join(","), "mems": "0" }));
    resources.insert("memory".into(), json!({ "limit": MEMORY.bytes(), "swap": MEMORY.bytes() }));
    fs::create_dir(target)?;
    fs::write(target.join("config.json"), config.to_string())?;
    Ok(())
}
