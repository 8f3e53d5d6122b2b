//! What is broken, forged or foreign: refused with what and why, and the cache
//! as it was.

use isolde_image::{Intake, Limits};
use proptest::prelude::*;

use crate::rig::{GZIP, Oci, Place, config, elsewhere, gzip, here, sha256, tar};

/// A file that must be refused, and words that the refusal must have.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    words: Vec<&'static str>,
}

fn case(name: &'static str, bytes: Vec<u8>, words: &[&'static str]) -> Case {
    Case { name, bytes, words: words.to_vec() }
}

fn manifest_json(config: &str, layers: &str) -> Vec<u8> {
    format!(r#"[{{"Config":"{config}","RepoTags":["a:1"],"Layers":[{layers}]}}]"#).into_bytes()
}

fn files() -> Vec<Case> {
    let good = Oci::good("x").archive();
    let mut flipped = gzip(&good);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    vec![
        case("nothing", vec![], &["the archive", "it is empty"]),
        case("text", b"#!/bin/sh\necho this is no image\n".repeat(40), &["not a tar archive"]),
        case("cut off", good[..good.len() - 1530].to_vec(), &["cut off"]),
        case("gzip cut off", gzip(&good)[..middle].to_vec(), &["cut off"]),
        case("gzip damaged", flipped, &["the archive"]),
        case("some tar", tar(&[("etc/passwd", b"x")]), &["neither", "manifest.json", "dir:PATH"]),
        case("no JSON", tar(&[("manifest.json", b"{{{")]), &["manifest.json", "cannot be read"]),
        case("no images", tar(&[("manifest.json", b"[]")]), &["no image"]),
        case("no index", tar(&[("oci-layout", b"{}"), ("index.json", b"{}")]), &["schema version"]),
    ]
}

fn docker_archives() -> Vec<Case> {
    let layer = tar(&[("file", b"x")]);
    let good = config(here(), &[sha256(&layer)]);
    let of = |config: &[u8], path: &str, layers: &str, more: &[(&str, &[u8])]| {
        let manifest = manifest_json(path, layers);
        let mut members = vec![("manifest.json", manifest.as_slice()), ("c.json", config)];
        members.extend(more);
        tar(&members)
    };
    let other = format!("{}.json", "0".repeat(64));
    let huge = vec![b' '; (4 << 20) + 1];
    vec![
        case("missing layer", of(&good, "c.json", "\"x/layer.tar\"", &[]), &["layer 1", "missing"]),
        case(
            "leaving layer",
            of(&good, "c.json", "\"../../../etc/passwd\"", &[]),
            &["layer 1", "no path inside"],
        ),
        case("missing config", of(&good, "none.json", "", &[]), &["configuration", "missing"]),
        case(
            "misnamed config",
            of(&good, &other, "\"l\"", &[("l", &layer), (&other, &good)]),
            &["configuration", "digest", "damaged or forged"],
        ),
        case("config no JSON", of(b"\x7fELF", "c.json", "", &[]), &["configuration", "cannot be"]),
        case("huge config", of(&huge, "c.json", "", &[]), &["configuration", "more than 4 MiB"]),
        case(
            "old config",
            of(br#"{"os":"linux","architecture":"amd64"}"#, "c.json", "", &[]),
            &["rootfs.diff_ids", "push it again"],
        ),
        case("too few layers", of(&good, "c.json", "", &[]), &["lists 0 layers", "1"]),
        case(
            "wrong layer",
            of(&good, "c.json", "\"l\"", &[("l", &tar(&[("file", b"y")]))]),
            &["layer 1", "its digest is", "not sha256:"],
        ),
        case(
            "foreign",
            of(&config(elsewhere(), &[sha256(&layer)]), "c.json", "\"l\"", &[("l", &layer)]),
            &["it is for linux/", "this host is linux/", "--platform"],
        ),
    ]
}

fn oci_archives() -> Vec<Case> {
    let with = |change: &dyn Fn(&mut Oci)| {
        let mut image = Oci::good("content of some length");
        change(&mut image);
        image.archive()
    };
    let packed = |layer: &mut (String, String, usize, Vec<u8>), bytes: Vec<u8>| {
        *layer = (GZIP.into(), sha256(&bytes), bytes.len(), bytes);
    };
    let no_tar = b"no archive".repeat(100);
    let kind = |kind: &'static str| with(&|image| image.layers[0].0 = kind.into());
    vec![
        case(
            "truncated gzip",
            with(&|image| {
                let half = image.layers[0].3[..40].to_vec();
                packed(&mut image.layers[0], half);
            }),
            &["layer 1", "cut off"],
        ),
        case(
            "wrong digest",
            with(&|image| {
                let last = image.layers[0].3.len() - 1;
                image.layers[0].3[last] ^= 1;
            }),
            &["layer 1", "its digest is", "damaged or forged"],
        ),
        case(
            "short",
            with(&|image| image.layers[0].2 += 10),
            &["layer 1", "cut off", "bytes came"],
        ),
        case("long", with(&|image| image.layers[0].2 -= 10), &["layer 1", "more than the"]),
        case(
            "wrong diff_id",
            with(&|image| packed(&mut image.layers[0], gzip(&tar(&[("other", b"x")])))),
            &["layer 1", "unpacked, its digest is"],
        ),
        case(
            "no tar",
            Oci::good("x").with_config(config(here(), &[sha256(&no_tar)])).replace(&no_tar),
            &["layer 1", "not a tar archive"],
        ),
        case(
            "unknown type",
            kind("application/x-squashfs"),
            &["layer 1", "application/x-squashfs"],
        ),
        case(
            "foreign type",
            kind("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            &["layer 1", "kept elsewhere"],
        ),
        case("encrypted", kind(&*format!("{GZIP}+encrypted").leak()), &["layer 1", "encrypted"]),
        case(
            "wrong config digest",
            with(&|image| image.config_digest = format!("sha256:{}", "1".repeat(64))),
            &["configuration 111111111111", "damaged or forged"],
        ),
        case(
            "digest as path",
            with(&|image| image.layers[0].1 = "sha256:../../../../etc/passwd".into()),
            &["no digest"],
        ),
        case(
            "other platform",
            with(&|image| {
                image.config = config(elsewhere(), &[sha256(b"never looked at")]);
                image.config_digest = sha256(&image.config);
            }),
            &["it is for linux/", "this host is linux/", "--platform"],
        ),
    ]
}

impl Oci {
    /// With its layer replaced, as it is.
    fn replace(mut self, layer: &[u8]) -> Vec<u8> {
        self.layers[0] = (GZIP.into(), sha256(layer), layer.len(), layer.to_vec());
        self.archive()
    }
}

#[test]
fn refused_with_what_and_why_and_the_cache_stays_sound() {
    let place = Place::new();
    let kept = place.add(&place.file("kept.tar", &Oci::good("kept").archive())).unwrap();
    let before = place.cached();
    for Case { name, bytes, words } in
        files().into_iter().chain(docker_archives()).chain(oci_archives())
    {
        let file = place.file("bad.tar", &bytes);
        let error = place.add(&file).expect_err(name).to_string();
        for word in words {
            assert!(error.contains(word), "{name}: no `{word}` in `{error}`");
        }
        assert!(!error.contains('\n'), "{name}: {error}");
        assert_eq!(place.cached(), before, "{name}: left in the cache");
    }
    let outside: Vec<_> = std::fs::read_dir(place.folder.path()).unwrap().flatten().collect();
    assert_eq!(outside.len(), 3, "cache, kept.tar and bad.tar");
    assert_eq!(place.files(&kept), ["file=kept"]);
    let next = place.add(&place.file("next.tar", &Oci::good("next").archive())).unwrap();
    assert_eq!(place.files(&next), ["file=next"]);
}

#[test]
fn a_bomb_is_stopped_while_it_grows() {
    let place = Place::new();
    let zeros = tar(&[("zeros", &vec![0; 32 << 20])]);
    let packed = gzip(&zeros);
    let mut image = Oci::good("x").with_config(config(here(), &[sha256(&zeros)]));
    image.layers[0] = (GZIP.into(), sha256(&packed), packed.len(), packed);
    let file = place.file("bomb.tar", &image.archive());
    let before = place.cached();
    for (limits, word) in [
        (Limits { grown_bytes: 1 << 20, ..Limits::default() }, "looks like a bomb"),
        (Limits { bytes: 16 << 20, ..Limits::default() }, "are allowed"),
    ] {
        let error = place.add_within(&file, limits).unwrap_err().to_string();
        assert!(error.contains("layer 1") && error.contains(word), "{error}");
        assert_eq!(place.cached(), before);
    }
    // A whole archive that is one.
    let packed = place.file("bomb.gz", &gzip(&zeros));
    let limits = Limits { bytes: 16 << 20, ..Limits::default() };
    let error = place.add_within(&packed, limits).unwrap_err().to_string();
    assert!(error.contains("are allowed"), "{error}");
    assert_eq!(place.cached(), before);
    // Zeros alone are none.
    place.add(&file).unwrap();
}

#[test]
fn places_that_are_not_there() {
    let place = Place::new();
    let folder = place.folder.path().to_str().unwrap();
    for (reference, word) in [
        (format!("{folder}/none.tar"), "No such file"),
        (format!("oci:{folder}"), "no file oci-layout"),
        (format!("oci:{folder}/none"), "No such file"),
        (format!("dir:{folder}/none"), "No such file"),
        (format!("docker-archive:{folder}"), "it is a folder"),
    ] {
        let error = place.add(&reference).unwrap_err();
        let told = format!("{error} {:?}", std::error::Error::source(&error));
        assert!(told.contains(word), "{reference}: {told}");
    }
}

proptest! {
    /// Whatever is changed in an archive, what comes of it is a refusal or an
    /// image that is whole, never a panic or half of something.
    #[test]
    fn damage_anywhere_is_survived(
        places in proptest::collection::vec((0usize..6000, 0u8..), 1..5),
        end in 0usize..12000,
        packed: bool,
    ) {
        let mut bytes = Oci::good("to be damaged").archive();
        for (place, value) in places {
            let place = place % bytes.len();
            bytes[place] = value;
        }
        bytes.truncate(end.max(512));
        if packed {
            bytes = gzip(&bytes);
        }
        let place = Place::new();
        match Intake::new(&place.store).add_archive(bytes.as_slice(), None) {
            Ok(image) => prop_assert_eq!(place.files(&image), ["file=to be damaged"]),
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                prop_assert_eq!(place.cached(), Vec::<String>::new());
            }
        }
    }
}
