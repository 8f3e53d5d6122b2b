//! The VMM's part: HTTP on the socket that it is handed, and a guest that calls.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::process::{Signal, getpid, kill_process};

/// File in the scratch folder that says how to behave.
pub(crate) const BEHAVIOUR: &str = "behaviour";

const DONE: &str = "HTTP/1.1 204 \r\nServer: a VMM\r\nConnection: keep-alive\r\n\r\n";

/// Serves as `fd=NUMBER` says.
pub(crate) fn serve(socket: &str) -> ! {
    let behaviour = fs::read_to_string(BEHAVIOUR).unwrap();
    if behaviour == "die" {
        end("Error: no such hypervisor", 1);
    }
    let number = socket.strip_prefix("fd=").unwrap().parse().unwrap();
    // SAFETY: the descriptor was handed down to this process, which uses it nowhere else.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    let listener = UnixListener::from(socket);
    listener.set_nonblocking(false).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (action, machine) = request(&mut reader);
    assert_eq!(action, "PUT /api/v1/vm.create HTTP/1.1");
    match behaviour.as_str() {
        "hang" => sleep(),
        "stop" => kill_process(getpid(), Signal::STOP).unwrap(),
        "refuse" => {
            stream.write_all(refusal(r#"["Error from API","no room"]"#).as_bytes()).unwrap()
        }
        "refuse as of old" => stream.write_all(refusal("VmCreate(NoRoom)").as_bytes()).unwrap(),
        _ => stream.write_all(DONE.as_bytes()).unwrap(),
    }
    let (action, _) = request(&mut reader);
    assert_eq!(action, "PUT /api/v1/vm.boot HTTP/1.1");
    if behaviour == "die at boot" {
        end("  1: Cannot load the kernel", 1);
    }
    open_all(&machine);
    stream.write_all(DONE.as_bytes()).unwrap();
    guest(&behaviour)
}

/// The first line and the body of the next request; the end where there is none.
fn request(reader: &mut impl BufRead) -> (String, String) {
    let (mut lines, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            end("", 0);
        }
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        lines.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let first = lines[0].replace("put", "PUT").replace("http", "HTTP");
    (first, String::from_utf8(body).unwrap())
}

fn refusal(words: &str) -> String {
    format!("HTTP/1.1 500 \r\nContent-Length: {}\r\n\r\n{words}", words.len())
}

/// What the machine is made of is where its description says.
fn open_all(machine: &str) {
    let machine: serde_json::Value = serde_json::from_str(machine).unwrap();
    let disks = machine["disks"].as_array().unwrap();
    let files = disks.iter().map(|disk| &disk["path"]);
    for file in files.chain([&machine["payload"]["kernel"], &machine["payload"]["initramfs"]]) {
        fs::read(file.as_str().unwrap()).unwrap();
    }
    UnixListener::bind(machine["vsock"]["socket"].as_str().unwrap()).unwrap();
}

fn guest(behaviour: &str) -> ! {
    match behaviour {
        "panic" => {
            println!("\r\n[    0.1] isolde: cannot mount the root disk: no\r");
            println!("[    0.2] Kernel panic - not syncing: Attempted to kill init!\r");
            end("Error: cannot reboot", 1)
        }
        "reset" => end("Error: cannot reboot", 1),
        "never call" => sleep(),
        _ => {}
    }
    let mut line = UnixStream::connect("vsock_1024").unwrap();
    line.write_all(b"!").unwrap();
    let mut order = String::new();
    line.read_to_string(&mut order).unwrap();
    end("", i32::from(order == "reset"))
}

fn sleep() -> ! {
    loop {
        std::thread::park();
    }
}

fn end(words: &str, status: i32) -> ! {
    eprintln!("{words}");
    std::process::exit(status)
}
