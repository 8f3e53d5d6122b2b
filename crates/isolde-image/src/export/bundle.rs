//! The OCI bundle (OCI runtime specification, bundle.md and config.md).

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder};
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};

use super::Account;
use crate::merged::{Layers, Tree};
use crate::{Image, ImageError, forms};

/// Where programs are looked for unless the image says: Docker's default.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Bytes of a list of users that are read: it is a stranger's.
const LARGEST_LIST: u64 = 1 << 20;

pub(super) fn write(
    tree: &Tree,
    layers: &Layers,
    image: &Image,
    path: &Path,
    account: &dyn Fn(&str, &str) -> Result<Account, String>,
) -> Result<(), ImageError> {
    fs::create_dir(path).map_err(|error| ImageError::file("make", path, error))?;
    let root = path.join("rootfs");
    forms::write_directory(tree, layers, &root)?;
    let unfit =
        |reason| ImageError::Unfit { path: "/etc/passwd".into(), form: "an OCI bundle", reason };
    let account = account(&read(&root, "etc/passwd"), &read(&root, "etc/group")).map_err(unfit)?;
    let config = path.join("config.json");
    describe(image, &account).and_then(|spec| spec.save(&config)).map_err(|error| {
        ImageError::file("write", &config, std::io::Error::other(error.to_string()))
    })
}

/// A file of the image, looked up as from inside it: a link in it must not lead
/// to a file of the host's. An absent one is empty.
fn read(root: &Path, name: &str) -> String {
    let file = open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|root| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
            openat2(&root, name, flags, Mode::empty(), ResolveFlags::IN_ROOT)
        });
    let mut bytes = Vec::new();
    if let Ok(file) = file {
        // What was read until an error is as good as a shorter file.
        let _ = File::from(file).take(LARGEST_LIST).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The crate's default, which is that of `runc spec`, with what the image says.
fn describe(image: &Image, account: &Account) -> Result<Spec, OciSpecError> {
    let config = &image.config;
    let arguments = [&config.entrypoint[..], &config.cmd].concat();
    let mut env = config.env.clone();
    if !env.iter().any(|variable| variable.starts_with("PATH=")) {
        env.push(PATH.into());
    }
    let workdir = if config.workdir.is_empty() { "/" } else { &config.workdir };
    let user = UserBuilder::default()
        .uid(account.uid)
        .gid(account.gid)
        .additional_gids(account.groups.clone())
        .build()?;
    let process = ProcessBuilder::default()
        .terminal(false)
        .args(if arguments.is_empty() { vec!["sh".to_owned()] } else { arguments })
        .env(env)
        .cwd(PathBuf::from(workdir))
        .user(user)
        .build()?;
    SpecBuilder::default()
        .root(RootBuilder::default().path("rootfs").readonly(false).build()?)
        .process(process)
        .hostname("isolde")
        .build()
}
