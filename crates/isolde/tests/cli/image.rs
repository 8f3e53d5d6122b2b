//! `isolde image`: what it takes, what it says, and how it ends.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::rig::{BUSYBOX, Ran, Running, finish, folder, has, is_root, isolde, needs, ready};

/// A cache of the test's own and a root file system to take in.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(folder());
        fs::create_dir_all(place.path("root/bin")).unwrap();
        fs::write(place.path("root/bin/app"), "not really a program").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let line = line.replace('@', self.0.path().to_str().unwrap());
        let mut command = isolde(&line.split(' ').collect::<Vec<_>>());
        command.env("XDG_CACHE_HOME", self.path("cache")).env("DOCKER_CONFIG", self.path("docker"));
        command
    }

    fn run(&self, line: &str) -> Ran {
        finish(&mut self.command(line))
    }

    /// What is in the cache of this kind.
    fn cached(&self, kind: &str) -> usize {
        fs::read_dir(self.path("cache/isolde").join(kind)).map_or(0, Iterator::count)
    }
}

#[test]
fn an_image_is_taken_shown_and_removed() {
    let place = Place::new();
    place.run("image list").expect(0, &["no images", "isolde image add"]);
    let added = place.run("image add dir:@/root --name team/app:1 --format json").expect(0, &[]);
    let image = added.json()["image"].clone();
    let id = image["id"].as_str().unwrap().to_owned();
    assert_eq!(image["names"][0], "team/app:1");
    assert!(added.stderr.contains("layer 1 of 1"), "{}", added.stderr);
    place.run("image add @/root --quiet --name app").expect(0, &["added app:latest, team/app:1"]);

    place
        .run("image list")
        .expect(0, &["name", "app:latest, team/app:1", &id[..12], "the cache takes"]);
    let listed = place.run("image list --format json").expect(0, &[]).json();
    assert_eq!((&listed["schema"], &listed["images"][0]["id"]), (&1.into(), &image["id"]));
    assert!(listed["cache_bytes"].as_u64().unwrap() > image["bytes"].as_u64().unwrap());
    let shown = place.run(&format!("image show {}", &id[..7])).expect(0, &["entrypoint", "layer"]);
    assert!(shown.out().contains(image["layers"][0].as_str().unwrap()));
    let shown = place.run("image show app --format json").expect(0, &[]).json();
    assert_eq!(shown["image"]["layers"], image["layers"]);

    place.run("image remove app").expect(0, &["removed 1 name", "0 images"]);
    place.run("image remove team/app:1").expect(0, &["1 image, 1 layer, 0 forms"]);
    assert_eq!((place.cached("images"), place.cached("layers")), (0, 0));
    place.run("image prune").expect(0, &["0 B freed"]);
    place.run("image prune --all --format json").expect(0, &["\"schema\": 1"]);
}

#[test]
fn wrong_usage_and_unfit_sources_have_their_codes() {
    let place = Place::new();
    fs::write(place.path("text"), "no archive").unwrap();
    for (line, code, words) in [
        ("image", 2, &["Usage: isolde image"][..]),
        ("image add", 2, &["<REF>"]),
        ("image add ftp://x/y", 2, &["`ftp://` is not known", "docker-archive:"]),
        ("image add @/root --name Bad", 2, &["`Bad`", "lower-case"]),
        ("image add @/root --platform arm", 2, &["`arm`", "linux/arm64"]),
        ("image show none", 2, &["no image none", "isolde image list"]),
        ("image remove none", 2, &["no image none", "isolde image list"]),
        ("image add @/text", 3, &["cannot add", "not a tar archive"]),
        ("image add @/none.tar", 3, &["cannot add", "No such file"]),
        ("image add -", 3, &["standard input", "it is empty"]),
        ("image add docker://127.0.0.1:1/x", 3, &["127.0.0.1:1", "Connection refused"]),
    ] {
        let ran = place.run(line).expect(code, words);
        assert!(ran.stdout.is_empty(), "{line}: {}", ran.out());
    }
    assert_eq!((place.cached("images"), place.cached("layers")), (0, 0));
}

#[test]
fn a_signal_ends_it_and_leaves_nothing() {
    let place = Place::new();
    let mut command = place.command("image add -");
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Something is being kept when the signal comes.
    stdin.write_all(&vec![b'x'; 1 << 20]).unwrap();
    let mut running = Running::of(child);
    running.wait_until(|| place.cached("layers") == 1);
    running.signal(Signal::INT);
    running.end().expect(130, &["interrupted"]);
    drop(stdin);
    assert_eq!((place.cached("images"), place.cached("layers")), (0, 0));
}

#[test]
fn a_full_disk_is_said_and_leaves_the_cache_sound() {
    if !is_root() || !has("unshare") {
        return;
    }
    let place = Place::new();
    fs::write(place.path("root/large"), vec![7; 16 << 20]).unwrap();
    fs::create_dir(place.path("cache")).unwrap();
    let script = "mount -t tmpfs -o size=8M none $1/cache && \
        \"$0\" image add --quiet dir:$1/root; code=$?; \
        rm $1/root/large; \"$0\" image add dir:$1/root --name small || exit 1; \
        find $1/cache -name '.half-made*' | grep . && exit 1; exit $code";
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_isolde")])
        .arg(place.0.path())
        .env("XDG_CACHE_HOME", place.path("cache"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    finish(&mut command).expect(74, &["no space left", "isolde image prune", "added small:latest"]);
}

/// A real registry that wants a password over an encrypted line.
struct Registry(Child);

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn shell(folder: &Path, script: &str) {
    let output = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_registry_with_encryption_and_a_log_in() {
    let tools = ["docker-registry", "skopeo", "htpasswd", "openssl"];
    if !tools.iter().all(|tool| has(tool)) || !needs(Path::new(BUSYBOX).exists(), BUSYBOX) {
        return;
    }
    let place = Place::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    shell(
        place.0.path(),
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 \
         -subj /CN=test -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE; \
         htpasswd -Bbn user secret > users",
    );
    let at = |name: &str| place.path(name).display().to_string();
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n\
         http: {{addr: '{address}', tls: {{certificate: '{}', key: '{}'}}}}\n\
         auth: {{htpasswd: {{realm: test, path: '{}'}}}}\n",
        at("data"),
        at("cert.pem"),
        at("key.pem"),
        at("users")
    );
    fs::write(place.path("registry.yml"), text).unwrap();
    let mut command = Command::new("docker-registry");
    command.args(["serve", &at("registry.yml")]).stdout(Stdio::null()).stderr(Stdio::null());
    let _registry = Registry(command.spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(&address).is_err() {
        assert!(Instant::now() < deadline, "the registry does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let config = r#"{"os":"linux","architecture":"ARCH","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:ID"]}}"#;
    let arch = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let config = config.replace("ARCH", arch);
    fs::write(place.path("c.in"), config).unwrap();
    let push = format!(
        "tar -cf l.tar root; id=$(sha256sum < l.tar | cut -c1-64); sed \"s/ID/$id/\" c.in > c.json; \
         echo '[{{\"Config\":\"c.json\",\"RepoTags\":null,\"Layers\":[\"l.tar\"]}}]' > manifest.json; \
         tar -cf image.tar manifest.json c.json l.tar; \
         skopeo copy -q --dest-tls-verify=false --dest-creds user:secret docker-archive:image.tar \
         docker://{address}/app:1"
    );
    shell(place.0.path(), &push);

    let add = |trusted: bool| {
        let mut command = place.command(&format!("image add {address}/app:1"));
        command.env("DOCKER_HOST", "unix:///nonexistent");
        if trusted {
            command.env("SSL_CERT_FILE", place.path("cert.pem"));
        }
        finish(&mut command)
    };
    add(true).expect(3, &["user name and a password", "docker login 127.0.0.1"]);
    fs::create_dir(place.path("docker")).unwrap();
    let log_in = |password: &str| {
        let script = format!(
            "printf '{{\"auths\":{{\"{address}\":{{\"auth\":\"%s\"}}}}}}' \
             $(printf user:{password} | base64) > docker/config.json"
        );
        shell(place.0.path(), &script);
    };
    log_in("wrong");
    add(true).expect(3, &["refuses us", "docker login"]);
    log_in("secret");
    add(true).expect(0, &["added 127.0.0.1", "1 layer"]);
    // An authority that nobody here knows.
    add(false).expect(3, &["certificate", "SSL_CERT_FILE"]);
}

/// Makes an image with busybox and settings of its own, as a layout folder.
const FURNISHED: &str = "\
cd \"$1\"; mkdir -p furnished/bin furnished/etc furnished/tmp
cp /usr/bin/busybox furnished/bin/busybox; ln -s busybox furnished/bin/sh
echo 'app:x:1234:4321::/home:/bin/sh' > furnished/etc/passwd
tar -C furnished --owner=0 --group=0 -cf furnished.tar .
umoci init --layout layout; umoci new --image layout:t
umoci raw add-layer --image layout:t furnished.tar
umoci config --image layout:t --config.user app --config.workingdir /etc --config.env A=b \
    --config.entrypoint /bin/sh --config.entrypoint -c \
    --config.cmd 'echo $(/bin/busybox id -u) $PWD $A'";

/// `None`, with the reason told, where it cannot be made.
fn furnished() -> Option<Place> {
    if !needs(Path::new(BUSYBOX).exists(), BUSYBOX) || !is_root() || !has("umoci") {
        return None;
    }
    let place = Place::new();
    let made = Command::new("sh").args(["-euc", FURNISHED, "sh"]).arg(place.path("")).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some(place)
}

#[test]
fn what_an_image_says_holds_in_every_environment() {
    let Some(place) = furnished() else { return };
    for environment in ["process", "container", "docker", "vm"] {
        if !ready(&[environment]) {
            continue;
        }
        let line = format!("exec --quiet --on {environment} --image oci:@/layout:t");
        let ran = place.run(&line).expect(0, &[]);
        assert_eq!(ran.out(), "1234 /etc b\n", "{environment}");
        // Words replace both entry point and command; the rest stays.
        let ran = place.run(&format!("{line} -- /bin/busybox id -g")).expect(0, &[]);
        assert_eq!(ran.out(), "4321\n", "{environment}");
    }
}

#[test]
fn an_image_is_exported_in_every_form() {
    let Some(place) = furnished() else { return };
    for form in ["directory", "bundle", "ext4", "tar"] {
        let line = format!("image export oci:@/layout:t --form {form} --out @/{form}");
        place.run(&line).expect(0, &[]);
        place.run(&line).expect(2, &["cannot make", "exists"]);
    }
    let own = fs::read(BUSYBOX).unwrap();
    for copy in ["directory/bin/busybox", "bundle/rootfs/bin/busybox"] {
        assert!(fs::read(place.path(copy)).unwrap() == own, "{copy}");
    }
    assert!(!place.path("directory/isolde").exists());
    place.run("image export oci:@/layout:t --form raw --out @/x").expect(2, &["no form `raw`"]);
    place.run("image export oci:@/layout:t --out @/none/x").expect(2, &["No such file"]);
    let left = fs::read_dir(place.path("")).unwrap().flatten().map(|entry| entry.file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().contains("half-made")));
    if has("runc") {
        let id = format!("isolde-test-{}", std::process::id());
        let mut runc = Command::new("runc");
        runc.arg("--root").arg(place.path("runc")).args(["run", "--bundle"]);
        runc.arg(place.path("bundle")).arg(id).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(&mut runc).expect(0, &["1234 /etc b"]);
    }
}
