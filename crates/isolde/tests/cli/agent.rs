//! The agent in the root file system of an image, asked over its line: what the
//! image says of user, folder, variables and entry point holds.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use isolde_agent::protocol::{
    BOOT_MARK, Decoder, ExecJob, FromAgent, Invocation, ProgramJob, ToAgent,
};
use isolde_model::{Mark, ReadySign, Span, Timing};
use tempfile::TempDir;

use crate::rig::{BUSYBOX, folder, has, is_root, needs};

/// A root file system with BusyBox and an account; `None` where it cannot be used.
fn root() -> Option<TempDir> {
    if !needs(Path::new(BUSYBOX).exists(), BUSYBOX) || !is_root() || !has("chroot") {
        return None;
    }
    let root = folder();
    let at = |path: &str| root.path().join(path);
    for place in ["bin", "dev", "etc", "opt/own"] {
        fs::create_dir_all(at(place)).unwrap();
    }
    let made = Command::new("mknod").arg(at("dev/null")).args(["c", "1", "3"]).status().unwrap();
    assert!(made.success());
    fs::copy(env!("CARGO_BIN_EXE_isolde"), at("isolde")).unwrap();
    fs::copy(BUSYBOX, at("bin/busybox")).unwrap();
    for name in ["sh", "sleep"] {
        symlink("busybox", at("bin").join(name)).unwrap();
    }
    fs::write(at("etc/passwd"), "app:x:1000:1001::/home/app:/bin/sh\n").unwrap();
    fs::write(at("etc/group"), "video:x:44:app\nstaff:x:50:\n").unwrap();
    script(&at("opt/own/tool"), "#!/bin/sh\necho \"tool $*\"\n");
    script(&at("opt/own/lost"), "#!/nowhere/sh\n");
    fs::write(at("opt/own/data"), "x").unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Some(root)
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Everything that the agent in `root` says to `job`.
#[expect(clippy::zombie_processes, reason = "it ends by a panic where it does not wait")]
fn ask(root: &Path, job: &ToAgent) -> Vec<FromAgent> {
    let mut command = Command::new("chroot");
    command.arg(root).args(["/isolde", "agent"]).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let mut agent = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut to = agent.stdin.take().unwrap();
    let mut from = agent.stdout.take().unwrap();
    job.write_to(&mut to).unwrap();
    let mut first = [0];
    from.read_exact(&mut first).unwrap();
    assert_eq!(first, [BOOT_MARK]);
    let (mut decoder, mut said, mut chunk) = (Decoder::default(), Vec::new(), [0; 4096]);
    loop {
        while let Some(message) = decoder.next_from_agent().unwrap() {
            let last = matches!(
                message,
                FromAgent::Exited(_) | FromAgent::Finished | FromAgent::Failed { .. }
            );
            said.push(message);
            if last {
                ToAgent::Bye.write_to(&mut to).unwrap();
                assert!(agent.wait().unwrap().success());
                return said;
            }
        }
        let length = from.read(&mut chunk).unwrap();
        assert!(length > 0, "it ended after {said:?}");
        decoder.push(&chunk[..length]);
    }
}

/// What a command says, on both streams, and its status.
fn exec(root: &Path, invocation: Invocation) -> (String, i32) {
    let mut text = Vec::new();
    let mut status = None;
    for message in ask(root, &ToAgent::Exec(ExecJob { invocation })) {
        match message {
            FromAgent::Stdout(bytes) | FromAgent::Stderr(bytes) => text.extend(bytes),
            FromAgent::Exited(ending) => status = ending.status,
            _ => {}
        }
    }
    (String::from_utf8(text).unwrap(), status.unwrap())
}

fn shell(text: &str, user: &str) -> Invocation {
    Invocation {
        env: vec!["PATH=/opt/own:/bin".into(), "ONE=1=1".into()],
        workdir: "/made/for/it".into(),
        user: user.into(),
        ..Invocation::of("sh", &["sh", "-c", text])
    }
}

#[test]
fn an_image_says_who_where_and_with_which_variables() {
    let Some(root) = root() else { return };
    let facts = "echo $(id -u):$(id -g):$(id -G) $PWD $HOME $ONE; tool a b";
    for (user, expected) in [
        ("", "0:0:"),
        ("app", "1000:1001:1001 44 "),
        ("1000:staff", "1000:50:50 "),
        ("app:video", "1000:44:44 "),
        ("4242", "4242:0:0 "),
    ] {
        let (text, status) = exec(root.path(), shell(facts, user));
        assert_eq!(status, 0, "{user}: {text}");
        assert!(text.starts_with(expected), "{user}: {text}");
        let home =
            if user.starts_with("app") || user.starts_with("1000") { "/home/app" } else { "/" };
        assert!(text.ends_with(&format!("/made/for/it {home} 1=1\ntool a b\n")), "{user}: {text}");
    }
    // Root's rights are gone for good.
    let (text, status) = exec(root.path(), shell("cat /isolde > /isolde", "app"));
    assert!(status != 0 && text.contains("ermission denied"), "{text}");
}

#[test]
fn what_cannot_be_run_is_told_as_a_shell_tells_it() {
    let Some(root) = root() else { return };
    let of = |program: &str, user: &str| {
        let argv = [program.to_owned()].to_vec();
        exec(root.path(), Invocation { program: program.into(), argv, ..shell("", user) })
    };
    for (program, user, status, words) in [
        ("nothing", "", 127, "no `nothing` in its PATH (/opt/own:/bin)"),
        ("/opt/none", "", 127, "no `/opt/none`"),
        ("data", "", 126, "`data` is not executable"),
        ("/opt", "", 126, "`/opt` is a folder"),
        ("lost", "", 126, "its interpreter or dynamic loader is not there"),
        ("tool", "nobody", 126, "no user `nobody`"),
        ("tool", "app:wheel", 126, "no group `wheel`"),
    ] {
        let (text, found) = of(program, user);
        assert_eq!(found, status, "{program}: {text}");
        assert!(text.contains(words), "{program}: {text}");
    }
}

#[test]
fn a_program_is_driven_by_the_contract() {
    let Some(root) = root() else { return };
    let text = "echo hello; echo '{\"isolde\": \"ready\"}'; sleep 0.1; i=0
        while [ $i -lt $((ISOLDE_WARM_UP + ISOLDE_INFERENCES)) ]; do
            echo \"{\\\"inference_us\\\": 3, \\\"input\\\": \\\"in$((i % 2))\\\", \\\"output\\\": [$i]}\"
            i=$((i + 1))
        done; echo $ISOLDE_THREADS $OMP_NUM_THREADS $(id -u) >&2";
    let job = ToAgent::Program(ProgramJob {
        invocation: shell(text, "app"),
        ready: ReadySign::Line,
        warm_up: 1,
        inferences: Some(4),
        threads: 2,
        limit: Span(Duration::from_secs(60)),
    });
    let said = ask(root.path(), &job);
    let marks: Vec<Mark> = said
        .iter()
        .filter_map(|message| match message {
            FromAgent::Passed(mark) => Some(*mark),
            _ => None,
        })
        .collect();
    assert_eq!(marks, [Mark::ApplicationStarted, Mark::ModelLoaded, Mark::FirstInference]);
    let facts = said.iter().find_map(|message| match message {
        FromAgent::ProgramEnded(facts) => Some(facts),
        _ => None,
    });
    let facts = facts.unwrap();
    assert_eq!((facts.timing, facts.inferences, facts.outputs), (Timing::Program, 5, 5));
    assert_eq!(facts.inputs, ["in0", "in1"]);
    assert_eq!(facts.stdout_tail, "hello\n");
    assert!(facts.ended || facts.stderr_tail == "2 2 1000\n", "{facts:?}");
}
