//! What real tools write: skopeo, umoci, Docker Engine, zstd; and folders.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use isolde_image::{ImageError, IntakeError, bring_image};

use crate::rig::{Oci, Place, config, gzip, has, here, needs, run, sha256, tar};

/// A layout folder with an image of two layers, made by umoci.
fn umoci(place: &Place) {
    let folder = place.folder.path();
    let umoci = |arguments: &[&str]| run(folder, "umoci", arguments);
    umoci(&["init", "--layout", "lay"]);
    umoci(&["new", "--image", "lay:app"]);
    for number in ["one", "two"] {
        umoci(&["unpack", "--rootless", "--image", "lay:app", number]);
        fs::write(folder.join(number).join("rootfs").join(number), number).unwrap();
        umoci(&["repack", "--image", "lay:app", number]);
    }
    umoci(&["config", "--image", "lay:app", "--config.cmd", "sh", "--config.workingdir", "/w"]);
}

#[test]
fn one_image_in_every_wrapping_is_one_image() {
    if !has("umoci") || !has("skopeo") || !has("zstd") {
        return;
    }
    let place = Place::new();
    umoci(&place);
    let folder = place.folder.path();
    let copy = |to: &str| run(folder, "skopeo", &["copy", "-q", "oci:lay:app", to]);
    copy("docker-archive:docker.tar:team/app:1");
    copy("oci-archive:oci.tar:team/app:2");
    fs::write(place.path("docker.tar.gz"), gzip(&fs::read(place.path("docker.tar")).unwrap()))
        .unwrap();
    run(folder, "zstd", &["-q", "oci.tar"]);

    let first = place.add(&format!("oci:{}/lay:app", folder.display())).unwrap();
    assert_eq!(first.config.cmd, ["sh"]);
    assert_eq!(first.config.workdir, "/w");
    assert_eq!(first.layers.len(), 2);
    assert_eq!(place.files(&first).iter().filter(|file| file.ends_with("=two")).count(), 1);
    for name in ["docker.tar", "docker.tar.gz", "oci.tar", "oci.tar.zst"] {
        let next = Place::new();
        let path = place.path(name).to_str().unwrap().to_owned();
        let image = next.add(&path).unwrap();
        assert_eq!((&image.id, &image.layers), (&first.id, &first.layers), "{name}");
        assert_eq!(image.names.len(), 1, "{name}");
        assert!(next.store.find_image(&image.names[0]).unwrap().is_some());
        // A second time nothing is unpacked.
        let before = next.cached();
        assert_eq!(bring_image(&next.store, &path).unwrap().layers, first.layers);
        assert_eq!(next.cached(), before);
    }
}

#[test]
fn layers_packed_with_zstd() {
    if !has("umoci") || !has("skopeo") {
        return;
    }
    let place = Place::new();
    umoci(&place);
    let folder = place.folder.path();
    let format = ["--dest-compress-format", "zstd", "--dest-compress"];
    let arguments = [&["copy", "-q"], &format[..], &["oci:lay:app", "oci:packed:app"]].concat();
    run(folder, "skopeo", &arguments);
    let packed = place.add(&format!("oci:{}/packed", folder.display())).unwrap();
    let manifest = packed.manifest.clone().unwrap();
    let path = place.path("packed/blobs").join(manifest.replace(':', "/"));
    assert!(fs::read_to_string(path).unwrap().contains("tar+zstd"));
    let other = Place::new();
    let plain = other.add(&format!("oci:{}/lay", folder.display())).unwrap();
    assert_eq!(plain.layers, packed.layers);
}

#[test]
fn the_old_form_of_docker_save_with_linked_layers() {
    let place = Place::new();
    let layer = tar(&[("file", b"shared")]);
    let ids = [sha256(&layer), sha256(&layer)];
    let manifest =
        br#"[{"Config":"c.json","RepoTags":null,"Layers":["a/layer.tar","b/layer.tar"]}]"#;
    let config = config(here(), &ids);
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in
        [("a/layer.tar", &layer[..]), ("c.json", &config), ("manifest.json", &manifest[..])]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "b/layer.tar", "../a/layer.tar").unwrap();
    let image = place.add(&place.file("old.tar", &builder.into_inner().unwrap())).unwrap();
    assert_eq!(place.files(&image), ["file=shared", "file=shared"]);
    assert!(image.names.is_empty());
    assert_eq!(place.store.find_image(&image.id[..8]).unwrap().unwrap().id, image.id);
}

#[test]
fn several_images_must_be_told_apart() {
    let place = Place::new();
    let layer = tar(&[("file", b"x")]);
    let first = config(here(), &[sha256(&layer)]);
    let manifest = br#"[{"Config":"c","RepoTags":["one:1"],"Layers":["l"]},
                        {"Config":"c","RepoTags":["two:2"],"Layers":["l"]}]"#;
    let members = [("manifest.json", &manifest[..]), ("c", &first), ("l", &layer)];
    let file = place.file("two.tar", &tar(&members));
    let error = place.add(&file).unwrap_err().to_string();
    assert!(error.contains("several images") && error.contains("one:1, two:2"), "{error}");
    let image = place.add(&format!("docker-archive:{file}:two:2")).unwrap();
    assert_eq!(image.names, ["two:2"]);
    let error = place.add(&format!("docker-archive:{file}:three")).unwrap_err().to_string();
    assert!(error.contains("no image three:latest"), "{error}");
}

#[test]
fn the_local_engine_gives_what_it_has() {
    if !has("docker") {
        return;
    }
    let runs =
        Command::new("docker").arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !needs(runs.unwrap().success(), "a Docker Engine that runs") {
        return;
    }
    let place = Place::new();
    let tag = format!("isolde-test-intake:{}", std::process::id());
    let layer = tar(&[("file", b"from the engine")]);
    let config = config(here(), &[sha256(&layer)]);
    let manifest = format!(r#"[{{"Config":"c.json","RepoTags":["{tag}"],"Layers":["l"]}}]"#);
    let members = [("manifest.json", manifest.as_bytes()), ("c.json", &config), ("l", &layer)];
    let file = place.file("load.tar", &tar(&members));
    run(place.folder.path(), "docker", &["load", "-q", "-i", &file]);
    let taken = bring_image(&place.store, &tag);
    let again = place.add(&format!("docker-daemon:{tag}"));
    run(place.folder.path(), "docker", &["rmi", &tag]);
    let taken = taken.unwrap();
    assert_eq!(place.files(&taken), ["file=from the engine"]);
    assert_eq!(taken.names, [tag.as_str()]);
    assert_eq!(again.unwrap().id, taken.id);
    let error = place.add(&format!("docker-daemon:{tag}")).unwrap_err();
    assert!(matches!(error, ImageError::Intake(IntakeError::NotFound { .. })), "{error}");
}

#[test]
fn a_folder_becomes_one_layer_with_everything_that_it_has() {
    let place = Place::new();
    let root = place.path("root");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::write(root.join("bin/app"), "program").unwrap();
    fs::set_permissions(root.join("bin/app"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(root.join("bin/app"), root.join("bin/same")).unwrap();
    symlink("/bin/app", root.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    let long = root.join("long".repeat(30));
    fs::create_dir(&long).unwrap();
    fs::write(long.join("name".repeat(30)), "deep").unwrap();

    let reference = format!("dir:{}", root.display());
    let image = place.add(&reference).unwrap();
    assert_eq!(place.add(&reference).unwrap().id, image.id);
    let layer = place.store.layer(&image.layers[0]);
    assert!(fs::metadata(&layer).unwrap().len() < 1 << 20, "holes are kept");
    let mut archive = tar::Archive::new(fs::File::open(&layer).unwrap());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let name = entry.path().unwrap().to_str().unwrap().trim_end_matches('/').to_owned();
        found.push((name, header.entry_type(), header.mode().unwrap() & 0o7777));
    }
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    let deep = format!("{}/{}", "long".repeat(30), "name".repeat(30));
    assert_eq!(names, ["bin", "bin/app", "bin/same", "link", &deep[..120], &deep, "sparse"]);
    assert_eq!(found[1].2, 0o4755);
    assert_eq!(found[2].1, tar::EntryType::Link);

    fs::write(root.join("bin/app"), "changed").unwrap();
    assert_ne!(place.add(&reference).unwrap().id, image.id);
    fs::write(root.join(".wh.x"), "").unwrap();
    let error = place.add(&reference).unwrap_err();
    let told = format!("{error}: {:?}", std::error::Error::source(&error));
    assert!(told.contains("deleted file"), "{told}");
}

#[test]
fn a_layout_that_is_a_trap_is_refused() {
    let place = Place::new();
    let folder = place.path("lay");
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    fs::write(folder.join("oci-layout"), "{}").unwrap();
    fs::write(folder.join("index.json"), Oci::good("x").index()).unwrap();
    let digest = sha256(&Oci::good("x").manifest());
    let blob = folder.join("blobs").join(digest.replace(':', "/"));
    symlink("/dev/zero", blob).unwrap();
    let error = place.add(folder.to_str().unwrap()).unwrap_err().to_string();
    assert!(error.contains("no plain file"), "{error}");
}
