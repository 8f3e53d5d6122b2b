//! Starting a program as its image says: user, folder, variables, and its place
//! in `PATH`, all looked up inside the sandbox.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::fs::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use super::accounts::{self, Account};
use crate::protocol::Invocation;

/// Where programs look for others unless the image says otherwise: Docker's
/// default.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program cannot be started.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What a shell's exit status would be: 127 where there is no such program,
    /// 126 where it is there and cannot be run.
    pub(super) status: i32,
    /// In words, with the program's name.
    pub(super) reason: String,
}

impl Refusal {
    fn absent(reason: String) -> Self {
        Self { status: 127, reason }
    }

    fn unusable(reason: String) -> Self {
        Self { status: 126, reason }
    }
}

/// A program that was started; the pipes of its output are in the child.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) child: Child,
    /// Before the fork: where CPUs are scarce the program may have run for a
    /// while before the agent does again.
    pub(super) at: Instant,
}

/// Starts the program with `more` variables unless its own say otherwise.
pub(super) fn spawn(invocation: &Invocation, more: &[(&str, String)]) -> Result<Started, Refusal> {
    // The folder the agent was started in is the sandbox's root.
    let root = std::env::current_dir()
        .map_err(|error| Refusal::unusable(format!("the root folder cannot be read: {error}")))?;
    let account = accounts::find(&root, &invocation.user).map_err(Refusal::unusable)?;
    let workdir = make_workdir(&root, &invocation.workdir)?;
    let variables = variables(invocation, &account, more);
    let path = variables.iter().find(|(name, _)| name == "PATH").map_or(PATH, |(_, path)| path);
    let program = look_up(&root, &workdir, path, &invocation.program)?;
    let (name, arguments) = invocation
        .argv
        .split_first()
        .ok_or_else(|| Refusal::absent("the command is empty".into()))?;
    // Opened here, so that its absence is not taken for the program's.
    let nothing = File::open("/dev/null")
        .map_err(|error| Refusal::unusable(format!("/dev/null cannot be opened: {error}")))?;
    let mut command = Command::new(&program);
    command
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .current_dir(&workdir)
        .stdin(nothing)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if !invocation.user.is_empty() {
        become_account(&mut command, &account);
    }
    let at = Instant::now();
    let child = command.spawn().map_err(|error| explain(&invocation.program, &program, &error))?;
    // When memory runs out the program goes first, not the agent that reports it.
    let adjust = format!("/proc/{}/oom_score_adj", child.id());
    let _ = fs::write(adjust, "1000");
    Ok(Started { child, at })
}

/// The image's variables, then what they lack.
fn variables(
    invocation: &Invocation,
    account: &Account,
    more: &[(&str, String)],
) -> Vec<(String, String)> {
    let own = invocation.env.iter().filter_map(|pair| pair.split_once('='));
    let mut variables: Vec<(String, String)> = own
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let defaults = [("PATH", PATH.to_owned()), ("HOME", account.home.clone())];
    for (name, value) in defaults.iter().chain(more) {
        if !variables.iter().any(|(other, _)| other == name) {
            variables.push(((*name).to_owned(), value.clone()));
        }
    }
    variables
}

/// `path`, which is meant from the sandbox's root folder, below `root`.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The folder to run in, made where it is absent, as Docker does.
fn make_workdir(root: &Path, workdir: &str) -> Result<PathBuf, Refusal> {
    let workdir = Path::new(workdir);
    if workdir.components().any(|part| part == Component::ParentDir) {
        let shown = workdir.display();
        return Err(Refusal::unusable(format!("the working folder `{shown}` goes up by `..`")));
    }
    let folder = below(root, workdir);
    fs::create_dir_all(&folder).map_err(|error| {
        let shown = workdir.display();
        Refusal::unusable(format!("the working folder `{shown}` cannot be made: {error}"))
    })?;
    Ok(folder)
}

/// The executable's path, as a shell finds it.
fn look_up(root: &Path, workdir: &Path, path: &str, program: &str) -> Result<PathBuf, Refusal> {
    let name = Path::new(program);
    if program.is_empty() {
        return Err(Refusal::absent("the command has no name".into()));
    }
    let places: Vec<PathBuf> = match program.contains('/') {
        true if name.is_absolute() => vec![below(root, name)],
        true => vec![workdir.join(name)],
        false => {
            let folder = |folder: &str| match folder.starts_with('/') {
                true => below(root, Path::new(folder)),
                false => workdir.join(folder),
            };
            path.split(':').map(|place| folder(place).join(name)).collect()
        }
    };
    let mut found = None;
    for place in places {
        let Ok(metadata) = fs::metadata(&place) else { continue };
        match metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
            true => return Ok(place),
            false => found = Some(metadata.is_dir()),
        }
    }
    Err(match found {
        Some(true) => Refusal::unusable(format!("`{program}` is a folder")),
        Some(false) => Refusal::unusable(format!("`{program}` is not executable")),
        None if program.contains('/') => Refusal::absent(format!("there is no `{program}`")),
        None => Refusal::absent(format!("there is no `{program}` in its PATH ({path})")),
    })
}

/// Lets the command run as `account`.
fn become_account(command: &mut Command, account: &Account) {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    let groups: Vec<Gid> = account.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    let change = move || {
        set_thread_groups(&groups)?;
        set_thread_gid(gid)?;
        set_thread_uid(uid)?;
        Ok(())
    };
    // SAFETY: the closure makes three system calls in the only thread of the
    // forked child; it neither allocates nor takes locks.
    unsafe { command.pre_exec(change) };
}

/// Why the kernel refused a file that is there and executable.
fn explain(name: &str, program: &Path, error: &io::Error) -> Refusal {
    let reason = match error.kind() {
        // exec(2) says so of what a script or a dynamic executable names.
        io::ErrorKind::NotFound if program.exists() => {
            "its interpreter or dynamic loader is not there".to_owned()
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            "it is no executable of this machine, and no script with a `#!` line".to_owned()
        }
        _ => error.to_string(),
    };
    Refusal::unusable(format!("`{name}` cannot be run: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str, mode: u32| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "#!/nowhere/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        make("usr/bin/tool", 0o755);
        make("bin/data", 0o644);
        make("work/own", 0o755);
        root
    }

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let root = root();
        let workdir = root.path().join("work");
        let find = |name: &str| look_up(root.path(), &workdir, "/bin:/usr/bin:sub", name);
        assert_eq!(find("tool").unwrap(), root.path().join("usr/bin/tool"));
        assert_eq!(find("/usr/bin/tool").unwrap(), root.path().join("usr/bin/tool"));
        assert_eq!(find("./own").unwrap(), workdir.join("./own"));
        let cases = [("data", 126), ("/bin", 126), ("own", 127), ("/bin/none", 127), ("", 127)];
        for (name, status) in cases {
            let refusal = find(name).unwrap_err();
            assert_eq!(refusal.status, status, "{name}: {}", refusal.reason);
        }
    }

    #[test]
    fn what_the_image_says_goes_before_defaults() {
        let account = Account { uid: 0, gid: 0, groups: vec![], home: "/root".into() };
        let env = ["PATH=/only", "EMPTY=", "=x", "bare", "A=b=c"].map(str::to_owned).to_vec();
        let invocation = Invocation { env, ..Invocation::default() };
        let more = [("A", "other".to_owned()), ("N", "3".to_owned())];
        let found = variables(&invocation, &account, &more);
        let expected =
            [("PATH", "/only"), ("EMPTY", ""), ("A", "b=c"), ("HOME", "/root"), ("N", "3")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_missing_interpreter_and_a_missing_folder_are_told_apart() {
        let root = root();
        let script = root.path().join("usr/bin/tool");
        let error = Command::new(&script).spawn().unwrap_err();
        let refusal = explain("tool", &script, &error);
        assert!(refusal.reason.contains("interpreter"), "{}", refusal.reason);
        assert_eq!(refusal.status, 126);
        let made = make_workdir(root.path(), "/app/deep").unwrap();
        assert!(made.is_dir() && made.starts_with(root.path()));
        assert!(make_workdir(root.path(), "/../up").is_err());
        assert!(make_workdir(root.path(), "/bin/data").is_err());
    }
}
