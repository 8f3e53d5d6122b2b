//! What making root file systems of images costs, on an image of some hundred
//! megabytes built from Debian packages:
//!
//! ```text
//! cargo bench -p isolde --bench images -- [--rounds N]
//! ```
//!
//! - archive to ext4 with an empty cache, against `umoci unpack` and `mke2fs -d`
//!   of the same image (umoci begins with the unpacked archive, Isolde with the
//!   archive itself), in turns;
//! - the second use of the same image;
//! - the peak memory of the first.
//!
//! As root, with mmdebstrap, umoci and e2fsprogs. The image is built once, into
//! the build folder. Nothing is asserted about time: the host's other work is in
//! every figure and printed beside it.

mod picture;
#[path = "../turns/mod.rs"]
mod turns;
mod work;

use std::process::ExitCode;

use anyhow::Context;

/// Rounds unless others are asked for.
const ROUNDS: usize = 10;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        // What a process of its own does, so that its memory can be told.
        ["build", archive, cache] => work::build(archive.as_ref(), cache.as_ref()),
        [] => run(ROUNDS),
        ["--rounds", rounds] => match rounds.parse() {
            Ok(rounds @ 1..) => run(rounds),
            _ => Err(anyhow::anyhow!("--rounds wants a number above 0")),
        },
        _ => Err(anyhow::anyhow!("usage: [--rounds N]")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(rounds: usize) -> anyhow::Result<()> {
    let Some(image) = picture::Picture::build()? else { return Ok(()) };
    print(&format!("image: {}", image.describe()?));
    let folder = tempfile::tempdir()?;
    let mut peak_kib = 0;
    let mut isolde = || {
        let (seconds, kib) = work::build_apart(&image.archive, &folder.path().join("cache"))?;
        peak_kib = peak_kib.max(kib);
        Ok(seconds)
    };
    let mut others = || work::umoci_and_mke2fs(&image.layout, &folder.path().join("umoci"));
    let sides = turns::take(
        rounds,
        vec![("umoci unpack, mke2fs -d", &mut others), ("isolde, archive to ext4", &mut isolde)],
    )
    .context("archive to ext4")?;
    print(&format!(
        "first: archive to ext4 (target: at most 0.333)\n{}  peak memory {} MiB (target: at most 100)",
        turns::table(&sides)?,
        peak_kib / 1024
    ));
    let mut second = work::SecondUse::prepare(&image.archive, &folder.path().join("kept"))?;
    let mut again = second.clone();
    let sides = turns::take(
        rounds * 10,
        vec![
            ("second use, by name", &mut || second.by_name()),
            ("second use, by archive", &mut || again.by_archive()),
        ],
    )
    .context("second use")?;
    print(&format!("second: the same image (target: at most 10 ms)\n{}", turns::table(&sides)?));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "what a benchmark could not do")]
fn say(text: &str) {
    eprintln!("{text}");
}
