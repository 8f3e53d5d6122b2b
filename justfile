# Every task of this repository. `just` lists them; each is an ordinary command,
# so they can be typed without just as well.

_default:
    @just --list --unsorted

# Build the program as it is used
build:
    cargo build --release

# Run an experiment, or any other command: `just run doctor`, `just run exec --on docker -- true`
run *arguments='run':
    cargo run --release -- {{ arguments }}

# Say what this host can run and what is missing
doctor *arguments:
    cargo run --release -- doctor {{ arguments }}

# Run the tests (as root, or those that make cgroups are skipped with the reason)
test *arguments:
    cargo test --workspace {{ arguments }}

# Accept what the snapshot tests print now; read the difference before committing
accept-snapshots:
    INSTA_UPDATE=always cargo test --workspace

# Check the style of the code and the words about it
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- --deny warnings
    RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --document-private-items

# Format the code
fmt:
    cargo fmt --all

# Check licences, bans and sources of dependencies (needs `cargo install cargo-deny`)
deny:
    cargo deny check

# Check that it compiles for 64-bit Arm (needs `rustup target add aarch64-unknown-linux-gnu`
# and the package gcc-aarch64-linux-gnu)
check-arm:
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc cargo check --workspace --target aarch64-unknown-linux-gnu

# Fuzz what parses a stranger's bytes: layers, kernel, onnx or npz (needs `cargo install cargo-fuzz`)
fuzz target seconds='60':
    cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none {{ target }} -- -max_total_time={{ seconds }}

# Measure what making root file systems of images costs (as root; needs mmdebstrap, umoci)
bench-images *arguments:
    cargo bench --package isolde --bench images -- {{ arguments }}

# Measure what Isolde itself costs, against doing the same without it; prints
# ratios: `just bench vm --rounds 10` (as root; needs docker, runc, QEMU, busybox)
bench *arguments:
    cargo bench --package isolde --bench spine -- {{ arguments }}

# Measure the start of microVMs on the deterministic test bed (as root; needs Firecracker)
bench-startup *arguments:
    cargo bench --package isolde --bench startup -- {{ arguments }}

# Check the test bed, or run suites of the conformance tests on it: `just testbed firecracker`
testbed *suites:
    .ci/testbed {{ suites }}

# Do what continuous integration does, from a bare machine
ci:
    .ci/run

# Remove what was built
clean:
    cargo clean
