//! Registries: Debian's `docker-registry`, and servers that misbehave.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use isolde_image::{Image, ImageError, Intake, Platform, bring_image};

use crate::rig::{Oci, Place, config, elsewhere, gzip, has, here, run, sha256, tar};

/// A real registry on this host, ended with the test.
struct Registry {
    process: Child,
    address: String,
}

impl Registry {
    fn start(place: &Place) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let data = place.path("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{address}'}}\n\
             storage: {{filesystem: {{rootdirectory: '{}'}}}}\n",
            data.display()
        );
        let process = Command::new("docker-registry")
            .args(["serve", &place.file("registry.yml", text.as_bytes())])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { process, address };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(&registry.address).is_err() {
            assert!(Instant::now() < deadline, "the registry does not start");
            thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    fn push(&self, place: &Place, from: &str, name: &str) {
        let to = format!("docker://{}/{name}", self.address);
        let plain = "--dest-tls-verify=false";
        run(place.folder.path(), "skopeo", &["copy", "-q", "--all", plain, from, &to]);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A layout folder with an image per architecture.
fn layout(place: &Place) -> String {
    let folder = place.path("layout");
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let mut entries = Vec::new();
    for architecture in [elsewhere(), here()] {
        let layer = tar(&[("for", architecture.as_bytes())]);
        let packed = gzip(&layer);
        let mut image = Oci::good("x").with_config(config(architecture, &[sha256(&layer)]));
        image.layers[0].1 = sha256(&packed);
        image.layers[0].2 = packed.len();
        image.layers[0].3 = packed;
        image.architecture = architecture;
        for (digest, bytes) in image.blobs() {
            std::fs::write(blobs.join(&digest["sha256:".len()..]), bytes).unwrap();
        }
        let index: serde_json::Value = serde_json::from_slice(&image.index()).unwrap();
        entries.push(index["manifests"][0].clone());
    }
    let inner = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": entries,
    })
    .to_string();
    std::fs::write(blobs.join(&sha256(inner.as_bytes())["sha256:".len()..]), &inner).unwrap();
    let index = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "digest": sha256(inner.as_bytes()),
            "size": inner.len(),
            "annotations": { "org.opencontainers.image.ref.name": "all" },
        }],
    });
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    format!("oci:{}:all", folder.display())
}

#[test]
fn a_real_registry_by_tag_and_digest_and_platform() {
    if !has("docker-registry") || !has("skopeo") {
        return;
    }
    let place = Place::new();
    let registry = Registry::start(&place);
    let name = format!("{}/team/app:1", registry.address);
    registry.push(&place, &layout(&place), "team/app:1");

    let image = bring_image(&place.store, &name).unwrap();
    assert_eq!(place.files(&image), [format!("for={}", here())]);
    assert_eq!(image.platform, format!("linux/{}", here()));
    assert_eq!(image.config.entrypoint, ["/bin/app"]);
    assert_eq!(image.config.user, "1000");
    assert_eq!(image.names, [name.as_str()]);

    let by_digest = format!("{}/team/app@{}", registry.address, image.manifest.clone().unwrap());
    let again = place.add(&format!("docker://{by_digest}")).unwrap();
    assert_eq!(again.id, image.id);
    assert_eq!(again.names.len(), 2);

    let other: Platform = format!("linux/{}", elsewhere()).parse().unwrap();
    let origin = format!("docker://{name}").parse().unwrap();
    let foreign = Intake::new(&place.store).platform(Some(other)).add(&origin, None).unwrap();
    assert_eq!(place.files(&foreign), [format!("for={}", elsewhere())]);
    // Its name now means that one, which does not run here.
    let error = bring_image(&place.store, &name).unwrap_err().to_string();
    assert!(error.contains("this host is linux/"), "{error}");

    let error = place.add(&format!("docker://{}/team/none", registry.address)).unwrap_err();
    assert!(error.to_string().contains("has none"), "{error}");

    // What is in the cache needs no registry any more.
    drop(registry);
    bring_image(&place.store, &by_digest).unwrap();
    let error = place.add(&format!("docker://{name}")).unwrap_err().to_string();
    assert!(error.contains("Connection refused"), "{error}");
}

/// A server that answers each request with bytes, by its number, and hangs up.
fn serve(answer: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
            thread::spawn(move || converse(stream, &*answer, &count));
        }
    });
    address
}

fn converse(mut stream: TcpStream, answer: &dyn Fn(&str, usize) -> Vec<u8>, count: &AtomicUsize) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    // The first byte of a TLS handshake is no letter: that is not spoken here.
    while !head.ends_with(b"\r\n\r\n") && head.first().is_none_or(u8::is_ascii_alphabetic) {
        if stream.read_exact(&mut byte).is_err() {
            return;
        }
        head.push(byte[0]);
    }
    if head.ends_with(b"\r\n\r\n") {
        let head = String::from_utf8(head).unwrap();
        let number = count.fetch_add(1, Ordering::SeqCst);
        let _ = stream.write_all(&answer(&head, number));
    }
}

fn ok(body: &[u8]) -> Vec<u8> {
    response("200 OK", "", body)
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// What a good registry has of this image under this request, if anything.
fn find(image: &Oci, head: &str) -> Option<Vec<u8>> {
    let path = head.split(' ').nth(1)?;
    if path.ends_with("/manifests/1") {
        return Some(image.manifest());
    }
    let digest = path.rsplit('/').next()?;
    image.blobs().into_iter().find(|(name, _)| name == digest).map(|(_, bytes)| bytes)
}

fn pull(place: &Place, address: &str) -> Result<Image, ImageError> {
    place.add(&format!("docker://{address}/app:1"))
}

#[test]
fn registries_that_misbehave_are_told_apart() {
    let place = Place::new();
    fn good() -> Oci {
        Oci::good("pulled")
    }
    let gone = move |head: &str| {
        find(&good(), head).map_or(response("404 Not Found", "", b""), |b| ok(&b))
    };
    type Answer = Box<dyn Fn(&str, usize) -> Vec<u8> + Send + Sync>;
    let cases: Vec<(&str, Answer, &[&str])> = vec![
        ("garbage", Box::new(|_, _| b"\x00\x01\x02 no HTTP\r\n\r\n".to_vec()), &["cannot pull"]),
        ("no JSON", Box::new(|_, _| ok(b"<html>")), &["the manifest of", "cannot be read"]),
        (
            "wants a log-in",
            Box::new(|_, _| response("401 No", "WWW-Authenticate: Basic realm=\"x\"\r\n", b"")),
            &["user name and a password", "docker login 127.0.0.1"],
        ),
        (
            "wants what nobody knows",
            Box::new(|_, _| response("401 No", "WWW-Authenticate: Negotiate\r\n", b"")),
            &["kind of log-in"],
        ),
        ("refuses", Box::new(|_, _| response("403 No", "", b"")), &["refuses us", "docker login"]),
        ("is a teapot", Box::new(|_, _| response("418 I am", "", b"")), &["answers 418"]),
        (
            "lies about the digest",
            Box::new(move |head, _| {
                let told = format!("Docker-Content-Digest: {}\r\n", sha256(b"other"));
                find(&good(), head).map_or_else(Vec::new, |b| response("200 OK", &told, &b))
            }),
            &["the manifest of", "damaged or forged"],
        ),
        (
            "lost the layer",
            Box::new(move |head, _| match find(&good(), head) {
                Some(bytes) if bytes.starts_with(&[0x1f]) => response("404 Not Found", "", b""),
                Some(bytes) => ok(&bytes),
                None => Vec::new(),
            }),
            &["layer 1", "does not have it"],
        ),
        (
            "has half of the layer",
            Box::new(move |head, _| match find(&good(), head) {
                Some(_) if head.contains("range: ") || head.contains("Range: ") => {
                    response("416 Range Not Satisfiable", "", b"")
                }
                Some(bytes) if bytes.starts_with(&[0x1f]) => ok(&bytes[..bytes.len() / 2]),
                Some(bytes) => ok(&bytes),
                None => Vec::new(),
            }),
            &["layer 1", "cut off"],
        ),
        (
            "sends without end",
            Box::new(|_, _| {
                let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
                [&head[..], &vec![b' '; 8 << 20]].concat()
            }),
            &["the manifest of", "more than 4 MiB"],
        ),
    ];
    let before = place.cached();
    for (name, answer, words) in cases {
        let error = pull(&place, &serve(answer)).expect_err(name).to_string();
        for word in words {
            assert!(error.contains(word), "{name}: no `{word}` in `{error}`");
        }
        assert_eq!(place.cached(), before, "{name}: left in the cache");
    }
    let image = pull(&place, &serve(move |head, _| gone(head))).unwrap();
    assert_eq!(place.files(&image), ["file=pulled"]);
}

#[test]
fn broken_connections_and_busy_registries_are_tried_again() {
    let place = Place::new();
    let mut image = Oci::good("x");
    // Long enough for several pieces, and not to be packed to nothing.
    let noise: Vec<u8> =
        (0u32..40_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let layer = tar(&[("noise", &noise)]);
    let packed = gzip(&layer);
    image = image.with_config(config(here(), &[sha256(&layer)]));
    image.layers[0].1 = sha256(&packed);
    image.layers[0].2 = packed.len();
    image.layers[0].3 = packed;
    let address = serve(move |head, number| {
        if number == 0 {
            return response("503 Busy", "", b"");
        }
        let bytes = find(&image, head).unwrap_or_default();
        let range = head.lines().find_map(|line| {
            line.to_lowercase().strip_prefix("range: bytes=").map(|range| range.to_owned())
        });
        match range.and_then(|range| range.trim_end_matches('-').parse::<usize>().ok()) {
            Some(from) => response("206 Partial Content", "", &bytes[from..]),
            // Announces all and hangs up in the middle.
            None if bytes.starts_with(&[0x1f]) => {
                let mut whole = ok(&bytes);
                whole.truncate(whole.len() - bytes.len() / 2);
                whole
            }
            None => ok(&bytes),
        }
    });
    let image = pull(&place, &address).unwrap();
    assert_eq!(image.bytes, layer.len() as u64);
}

#[test]
fn a_token_service_is_asked_for_a_token() {
    let place = Place::new();
    let tokens = serve(|head, _| {
        let asked = head.contains("service=reg") && head.contains("scope=repository%3Aapp%3Apull");
        if asked { ok(br#"{"token":"t0ken"}"#) } else { response("400 Bad", "", b"") }
    });
    let address = serve(move |head, _| {
        if !head.to_lowercase().contains("authorization: bearer t0ken") {
            let challenge = format!(
                "WWW-Authenticate: Bearer realm=\"http://{tokens}/token\",service=\"reg\"\r\n"
            );
            return response("401 Unauthorized", &challenge, b"");
        }
        find(&Oci::good("secret"), head).map_or_else(Vec::new, |bytes| ok(&bytes))
    });
    let image = pull(&place, &address).unwrap();
    assert_eq!(place.files(&image), ["file=secret"]);
}

#[test]
fn a_wish_to_stop_ends_a_silent_download() {
    let place = Place::new();
    let (begun, asked) = std::sync::mpsc::channel();
    let address = serve(move |_, _| {
        let _ = begun.send(());
        thread::sleep(Duration::from_secs(25));
        Vec::new()
    });
    let stop = std::sync::atomic::AtomicBool::new(false);
    let stopped = || stop.load(Ordering::SeqCst);
    let origin = format!("docker://{address}/app:1").parse().unwrap();
    let error = thread::scope(|scope| {
        let pull = scope.spawn(|| {
            let intake = Intake::new(&place.store).cancelled(&stopped);
            intake.add(&origin, None).unwrap_err().to_string()
        });
        asked.recv_timeout(Duration::from_secs(20)).unwrap();
        stop.store(true, Ordering::SeqCst);
        pull.join().unwrap()
    });
    assert_eq!(error, "interrupted");
}
