//! Compiles `/init` of guests, a small static executable that the program
//! carries along: see init/main.rs for why it is apart.

use std::env::var;
use std::path::Path;
use std::process::Command;

const SOURCE: &str = "init/main.rs";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    let output = Path::new(&var("OUT_DIR")?).join("init");
    let mut compiler = Command::new(var("RUSTC")?);
    compiler
        .args(["--edition", "2024", "--crate-name", "init", "--target", &var("TARGET")?])
        .args(["-C", "target-feature=+crt-static", "-C", "opt-level=s", "-C", "panic=abort"])
        .args(["-C", "lto=fat", "-C", "codegen-units=1", "-C", "strip=symbols"])
        .arg("-o")
        .args([&output, Path::new(SOURCE)]);
    // Set where the program itself is linked by something of its own.
    if let Ok(linker) = var("RUSTC_LINKER") {
        compiler.arg("-C").arg(format!("linker={linker}"));
    }
    let status = compiler.status()?;
    if status.success() { Ok(()) } else { Err(format!("cannot compile {SOURCE}: {status}").into()) }
}
