//! The lines of the application contract (`docs/application-contract.md`).

use serde::Deserialize;
use serde_json::Value;

use crate::digest_hex;

/// What a line tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    /// The end of the cold start.
    Ready,
    /// An inference.
    Inference(Sample),
    /// Nothing of the contract: ordinary output.
    Nothing,
}

/// An inference as it was told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample {
    /// Its duration, by the program's own clock.
    pub(super) duration_ns: Option<u64>,
    pub(super) input: Option<Input>,
    pub(super) output: Option<Output>,
}

/// Which input it was of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    Number(u32),
    Name(String),
}

/// What came out of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Output {
    /// Over its JSON with sorted keys and no spaces, first 16 hex digits.
    pub(super) digest: String,
    /// Its values, where it is a number or a flat array of numbers.
    pub(super) values: Option<Vec<f32>>,
}

/// Bytes of an input's name.
const LONGEST_NAME: usize = 256;
/// A line that holds none of these is no line of the contract, and most
/// ordinary output is not read any further.
const WORDS: [&[u8]; 2] = [b"\"isolde\"", b"\"inference_"];

#[derive(Deserialize)]
struct Line {
    isolde: Option<String>,
    inference_ns: Option<f64>,
    inference_us: Option<f64>,
    inference_ms: Option<f64>,
    input: Option<Value>,
    output: Option<Value>,
}

/// Whether `line` could be one of the contract's.
pub(super) fn is_candidate(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.first() == Some(&b'{')
        && WORDS.iter().any(|word| line.windows(word.len()).any(|part| part == *word))
}

/// Reads one line.
///
/// # Errors
/// How it breaks the contract, in words.
pub(super) fn read(line: &[u8]) -> Result<Told, String> {
    if !is_candidate(line) {
        return Ok(Told::Nothing);
    }
    let line: Line =
        serde_json::from_slice(line).map_err(|error| format!("it cannot be read: {error}"))?;
    let duration_ns = duration(&line)?;
    match line.isolde.as_deref() {
        Some("ready") if duration_ns.is_none() => return Ok(Told::Ready),
        Some("inference") => {}
        Some("ready") => return Err("it is a readiness line with a duration".into()),
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            return Err(format!("`isolde` is `{other}`, neither `ready` nor `inference`"));
        }
        // The words were in it, but not where they mean something.
        None if duration_ns.is_none() => return Ok(Told::Nothing),
        None => {}
    }
    Ok(Told::Inference(Sample {
        duration_ns,
        input: line.input.map(input).transpose()?,
        output: line.output.map(output),
    }))
}

fn duration(line: &Line) -> Result<Option<u64>, String> {
    let told = [
        ("inference_ns", line.inference_ns, 1.0),
        ("inference_us", line.inference_us, 1e3),
        ("inference_ms", line.inference_ms, 1e6),
    ];
    let mut told = told.into_iter().filter_map(|(name, value, unit)| Some((name, value?, unit)));
    let Some((name, value, unit)) = told.next() else { return Ok(None) };
    if told.next().is_some() {
        return Err("it tells a duration twice".into());
    }
    let nanoseconds = value * unit;
    // 2^63 ns are 292 years, more than a bundle can keep.
    if !(0.0..9.2e18).contains(&nanoseconds) {
        return Err(format!("`{name}` is {value}, which is no duration"));
    }
    // In range, so the cast only rounds.
    Ok(Some(nanoseconds.round() as u64))
}

fn input(value: Value) -> Result<Input, String> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    match (number, value) {
        (Some(number), _) => Ok(Input::Number(number)),
        (None, Value::String(name)) if !name.is_empty() && name.len() <= LONGEST_NAME => {
            Ok(Input::Name(name))
        }
        _ => Err(format!(
            "`input` is neither a number from 0 to {} nor a name of 1 to {LONGEST_NAME} bytes",
            u32::MAX
        )),
    }
}

fn output(value: Value) -> Output {
    let values = match &value {
        Value::Array(items) if !items.is_empty() => items.iter().map(number).collect(),
        other => number(other).map(|number| vec![number]),
    };
    Output { digest: digest_hex(value.to_string()), values }
}

/// A number that a tensor can hold.
fn number(value: &Value) -> Option<f32> {
    value.as_f64().map(|number| number as f32).filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(line: &str) -> Sample {
        match read(line.as_bytes()) {
            Ok(Told::Inference(sample)) => sample,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn durations_have_units() {
        for (line, expected) in [
            (r#"{"inference_ms": 12.5}"#, Some(12_500_000)),
            (r#"{"inference_us": 0.5}"#, Some(500)),
            (r#"{"inference_ns": 7, "more": [1]}"#, Some(7)),
            (r#"  {"isolde": "inference"}  "#, None),
            (r#"{"isolde": "inference", "inference_ns": 0}"#, Some(0)),
        ] {
            assert_eq!(sample(line).duration_ns, expected, "{line}");
        }
    }

    #[test]
    fn inputs_and_outputs_are_taken() {
        let told = sample(r#"{"inference_ms": 1, "input": 3, "output": [1, -2.5]}"#);
        assert_eq!(told.input, Some(Input::Number(3)));
        assert_eq!(told.output.unwrap().values, Some(vec![1.0, -2.5]));
        let told = sample(r#"{"inference_ms": 1, "input": "a.png", "output": {"b": 1, "a": "x"}}"#);
        assert_eq!(told.input, Some(Input::Name("a.png".into())));
        let output = told.output.unwrap();
        assert_eq!((output.values, output.digest), (None, digest_hex(r#"{"a":"x","b":1}"#)));
        assert_eq!(sample(r#"{"inference_ms": 1, "output": null}"#).output, None);
        assert_eq!(sample(r#"{"inference_ms":1,"output":[1e300]}"#).output.unwrap().values, None);
        assert_eq!(
            sample(r#"{"inference_ms":1,"output":7}"#).output.unwrap().values.unwrap(),
            [7.0]
        );
    }

    #[test]
    fn ordinary_output_is_left_alone() {
        for line in
            ["", "loading", "{", "{}", r#"{"level":"info"}"#, r#"{"a":{"isolde":"ready"}}"#, "[1]"]
        {
            assert_eq!(read(line.as_bytes()), Ok(Told::Nothing), "{line}");
        }
        assert_eq!(read(br#"{"isolde":"ready"}"#), Ok(Told::Ready));
    }

    #[test]
    fn what_breaks_the_contract_is_told() {
        let deep = format!(r#"{{"inference_ms":1,"output":{}}}"#, "[".repeat(30_000));
        for (line, word) in [
            (r#"{"inference_ms": NaN}"#, "cannot be read"),
            (r#"{"inference_ms": -1}"#, "no duration"),
            (r#"{"inference_ms": 1e300}"#, "no duration"),
            (r#"{"inference_ms": 1e999}"#, "cannot be read"),
            (r#"{"inference_ms": "12"}"#, "cannot be read"),
            (r#"{"inference_ms": 1, "inference_ns": 1}"#, "twice"),
            (r#"{"inference_ms": 1, "input": -1}"#, "`input`"),
            (r#"{"inference_ms": 1, "input": ""}"#, "`input`"),
            (r#"{"isolde": "done"}"#, "neither"),
            (r#"{"isolde": "ready", "inference_ms": 1}"#, "with a duration"),
            (r#"{"inference_ms": 1"#, "cannot be read"),
            (deep.as_str(), "recursion"),
        ] {
            let reason = read(line.as_bytes()).unwrap_err();
            assert!(reason.contains(word), "{word}: {reason}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(line: Vec<u8>, tail in "[ -~]{0,60}") {
            let _ = read(&line);
            let _ = read(format!("{{\"inference_ms\":{tail}").as_bytes());
        }
    }
}
