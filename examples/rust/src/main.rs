//! A scalar product, by the application contract.

use std::env;
use std::hint::black_box;
use std::io::{self, Write};
use std::time::Instant;

const LENGTH: usize = 100_000;

fn main() -> io::Result<()> {
    let weights: Vec<f32> = (0..LENGTH).map(|place| (place % 7) as f32 - 3.0).collect();
    let mut out = io::stdout().lock();
    tell(&mut out, r#"{"isolde": "ready"}"#)?;
    for place in 0..number("ISOLDE_WARM_UP", 0) + number("ISOLDE_INFERENCES", 100) {
        let input = place % 5;
        let vector = vec![input as f32; LENGTH];
        let started = Instant::now();
        let output = infer(black_box(&weights), black_box(&vector));
        let took = started.elapsed().as_nanos();
        tell(
            &mut out,
            &format!(r#"{{"inference_ns": {took}, "input": {input}, "output": {output:?}}}"#),
        )?;
    }
    Ok(())
}

fn infer(weights: &[f32], vector: &[f32]) -> f32 {
    weights.iter().zip(vector).map(|(weight, value)| weight * value).sum()
}

/// A line is told as soon as it is whole.
fn tell(out: &mut impl Write, line: &str) -> io::Result<()> {
    writeln!(out, "{line}")?;
    out.flush()
}

fn number(name: &str, default: usize) -> usize {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
