//! The work that is compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use isolde_image::{Image, RootTree, Store, bring_image};

/// What stands for the agent: this program itself.
const AGENT: &str = "/proc/self/exe";

fn make(store: &Store, image: &Image) -> anyhow::Result<PathBuf> {
    let tree = RootTree::of_image(AGENT.as_ref(), image, store)?;
    Ok(store.ext4(&tree)?)
}

/// Makes the ext4 image with the cache at `cache` and prints the peak of this
/// process's memory in KiB.
pub(crate) fn build(archive: &Path, cache: &Path) -> anyhow::Result<()> {
    let store = Store::open(cache)?;
    let image = bring_image(&store, archive.to_str().context("a name that is no text")?)?;
    make(&store, &image)?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    crate::print(peak.context("no VmHWM")?.trim().trim_end_matches(" kB"));
    Ok(())
}

/// The same in a process of its own, with an empty cache: seconds and KiB.
pub(crate) fn build_apart(archive: &Path, cache: &Path) -> anyhow::Result<(f64, u64)> {
    if cache.exists() {
        fs::remove_dir_all(cache)?;
    }
    settle();
    let began = Instant::now();
    let output = Command::new(AGENT).arg("build").args([archive, cache]).output()?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((seconds, String::from_utf8(output.stdout)?.trim().parse()?))
}

/// What people do without Isolde: seconds.
pub(crate) fn umoci_and_mke2fs(layout: &Path, folder: &Path) -> anyhow::Result<f64> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir(folder)?;
    settle();
    let began = Instant::now();
    let script = "umoci unpack --image \"$1:image\" bundle >/dev/null 2>&1; \
                  mke2fs -q -t ext4 -O ^has_journal -d bundle/rootfs root.img 1500M >/dev/null 2>&1";
    let status = Command::new("sh")
        .args(["-euc", script, "sh"])
        .arg(layout)
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir(folder)
        .status()?;
    ensure!(status.success(), "umoci or mke2fs failed");
    Ok(began.elapsed().as_secs_f64())
}

/// What the other side has left to be written shall not be part of a figure.
fn settle() {
    rustix::fs::sync();
}

/// An image that is in the cache in its form already.
#[derive(Clone)]
pub(crate) struct SecondUse {
    cache: PathBuf,
    archive: String,
    id: String,
}

impl SecondUse {
    pub(crate) fn prepare(archive: &Path, cache: &Path) -> anyhow::Result<Self> {
        let store = Store::open(cache)?;
        let archive = archive.to_str().context("a name that is no text")?.to_owned();
        let image = bring_image(&store, &archive)?;
        make(&store, &image)?;
        Ok(Self { cache: cache.to_owned(), archive, id: image.id })
    }

    /// From the image's id to the path of its ext4 form: seconds.
    pub(crate) fn by_name(&mut self) -> anyhow::Result<f64> {
        self.again(&self.id.clone())
    }

    /// The same from the archive, whose manifest is read again.
    pub(crate) fn by_archive(&mut self) -> anyhow::Result<f64> {
        self.again(&self.archive.clone())
    }

    fn again(&self, reference: &str) -> anyhow::Result<f64> {
        let began = Instant::now();
        let store = Store::open(&self.cache)?;
        let image = bring_image(&store, reference)?;
        make(&store, &image)?;
        Ok(began.elapsed().as_secs_f64())
    }
}
