//! A Firecracker that speaks its API well or badly, as a file beside it says: the real
//! one needs KVM, and does not misbehave when asked to.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use isolde_model::{LINE_PORT, READY_TO_REST, REST_PORT, Thaw};

/// What it is to do, in words after the first: how often it answers before.
pub(crate) const MODE: &str = "mode";

/// Plays its part and ends.
pub(crate) fn play() -> ! {
    let place = std::env::args().next().map(|own| Path::new(&own).with_file_name(MODE)).unwrap();
    let mode = std::fs::read_to_string(place).unwrap();
    let (part, count) = mode.split_once(' ').unwrap_or((&mode, "1000"));
    let count: usize = count.parse().unwrap();
    if std::env::args().any(|argument| argument == "--version") {
        say(if part == "old" { "Firecracker v1.7.0" } else { "Firecracker v1.12.1" });
        std::process::exit(0);
    }
    if part == "dies" && count == 0 {
        die();
    }
    if part == "hangs" && count == 0 {
        hang();
    }
    let listener = UnixListener::bind("api.sock").unwrap();
    let mut answered = 0;
    loop {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some((request, body)) = read_request(&mut reader) {
            if answered == count {
                misbehave(part, &stream);
            }
            answered += 1;
            answer(&stream, "HTTP/1.1 204 \r\n\r\n");
            act(part, &request, &body);
        }
    }
}

fn act(part: &str, request: &str, body: &str) {
    match request {
        "PUT /boot-source" if body.contains("ISOLDE_REST=yes") => {
            // Early, but the host listens already.
            let mut guest = connect(REST_PORT);
            let word = if part == "lies" { READY_TO_REST + 1 } else { READY_TO_REST };
            guest.write_all(&[word]).unwrap();
            // As long as it is not thawed.
            std::mem::forget(guest);
        }
        "PUT /snapshot/create" => {
            for name in ["state", "memory"] {
                std::fs::write(name, name).unwrap();
            }
        }
        "PUT /snapshot/load" => be_a_guest(part, true),
        "PUT /actions" if !rests() => be_a_guest(part, false),
        _ => {}
    }
}

/// A guest that rests has a listener for that beside it.
fn rests() -> bool {
    Path::new(&format!("v.sock_{REST_PORT}")).exists()
}

/// Connects the line, greets, and ends when the host hangs up.
fn be_a_guest(part: &str, thawed: bool) {
    if part == "silent" {
        return;
    }
    let mut line = connect(LINE_PORT);
    if thawed {
        let mut news = [0; Thaw::BYTES];
        line.read_exact(&mut news).unwrap();
        let news = Thaw::from_bytes(&news);
        assert!(news.time_ns > 0 && news.seed.iter().any(|byte| *byte != 0));
    }
    line.write_all(b"!").unwrap();
    let _ = line.read(&mut [0]);
    if part == "panics" {
        say("[    1.0] Kernel panic - not syncing: sysrq triggered crash");
    }
    std::process::exit(0)
}

fn connect(port: u32) -> UnixStream {
    UnixStream::connect(format!("v.sock_{port}")).unwrap()
}

fn misbehave(part: &str, stream: &UnixStream) {
    match part {
        "dies" => die(),
        "hangs" => hang(),
        "babbles" => {
            answer(stream, "what?\r\n\r\n");
            hang()
        }
        "refuses" => {
            let fault = r#"{"fault_message":"the fake does not want to"}"#;
            let length = fault.len();
            answer(stream, &format!("HTTP/1.1 400 \r\nContent-Length: {length}\r\n\r\n{fault}"));
            hang()
        }
        part => panic!("no such part: {part}"),
    }
}

fn answer(mut stream: &UnixStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

/// The request's method and path, and its body.
fn read_request(reader: &mut BufReader<UnixStream>) -> Option<(String, String)> {
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request = head.first()?.split(' ').take(2).collect::<Vec<_>>();
    let request = format!("{} {}", request.first()?.to_uppercase(), request.get(1)?);
    Some((request, String::from_utf8(body).unwrap()))
}

fn die() -> ! {
    let _ = std::io::stderr().write_all(b"the fake is out of luck\n");
    std::process::exit(42)
}

fn hang() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
