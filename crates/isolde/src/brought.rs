//! What the user brings along: an image or a command, and files for it; or a
//! model.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use isolde_agent::protocol::Invocation;
use isolde_apps::{Choice, Size};
use isolde_image::{Image, Store};
use isolde_model::{ByteSize, ImageSource, Plan, ProgramSource, ReadySign, Source, Span};
use isolde_runner::{Interrupt, Provisions, check_static};

use crate::args::PlanArguments;
use crate::commands::image::{self, Bringing};
use crate::exit::{Exit, ExitContext, tagged};
use crate::files;
use crate::model_memory;
use crate::model_source::{self, UserModel};
use crate::model_trial::Subject;
use crate::naming::{check_name, given_name};
use crate::{networks, resolve};

/// An application of the user's.
#[derive(Debug, Args)]
pub(crate) struct ProgramArguments {
    /// An image whose program runs: a name, an archive, or a folder (dir:PATH)
    #[arg(long, value_name = "REF", conflicts_with_all = ["applications", "plan"])]
    pub(crate) image: Option<String>,
    /// A file or folder of this host to bring along, and its place in the sandbox; repeatable
    /// [default place: /NAME]
    #[arg(long, value_name = "FILE[:DEST]", conflicts_with_all = ["applications", "plan"])]
    pub(crate) bring: Vec<String>,
    /// What tells that the program is ready: line, tcp:PORT or http:PORT/PATH [default: line]
    #[arg(long, value_name = "SIGN", conflicts_with_all = ["applications", "plan"])]
    pub(crate) ready: Option<ReadySign>,
    /// What the program is called in tables [default: after the image or command]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["applications", "plan"])]
    pub(crate) name: Option<String>,
    /// How long one launch may work [default: 5m]
    #[arg(long, value_name = "T")]
    pub(crate) timeout: Option<Span>,
    /// A static executable of this host and its arguments; with --image, arguments for its
    /// entry point instead of its own
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["applications", "plan"])]
    pub(crate) command: Vec<String>,
}

/// What the user brings, with its name in tables.
pub(crate) enum Brought {
    Program { name: String, source: ProgramSource },
    Model(UserModel),
}

/// What the arguments ask for, or the model that the plan file names.
///
/// # Errors
/// Wrong usage: what cannot be read or used, or was changed since the plan was
/// made.
pub(crate) fn asked_for(
    arguments: &PlanArguments,
    from_file: Option<&Plan>,
    how: Bringing<'_>,
) -> anyhow::Result<Option<Brought>> {
    match program(&arguments.program, arguments.inferences, how)? {
        Some(program) => Ok(Some(program)),
        None => Ok(model_source::find(arguments, from_file)?.map(Brought::Model)),
    }
}

/// Tries on the host what can be tried there, before any sandbox is made: the model
/// that is brought, and applications of reference size, whose networks are written
/// into the cache for that. Gives the memory that would do for
/// each of them, and talks of what may be too little.
///
/// # Errors
/// Wrong usage: what does not work, or too little memory.
pub(crate) fn try_out(
    brought: Option<&Brought>,
    plan: &Plan,
    store: &Store,
    interrupt: &Interrupt,
) -> anyhow::Result<BTreeMap<String, ByteSize>> {
    let mut subjects = Vec::new();
    if let Some(Brought::Model(model)) = brought {
        subjects.push(model.subject());
    }
    for name in plan.applications.iter().filter(|name| !plan.sources.contains_key(*name)) {
        if let Ok(choice @ Choice { size: Size::Reference, .. }) = name.parse() {
            let networks = networks::folder_for(store, &choice)?;
            subjects.push((name.as_str(), Subject::Application { choice: name.clone(), networks }));
        }
    }
    model_memory::try_all(subjects, &plan.resources, interrupt)
}

/// A root file system and how the program in it is run; `None` for an
/// application of Isolde's own.
pub(crate) struct Outfit {
    pub(crate) provisions: Provisions,
    pub(crate) invocation: Option<Invocation>,
}

/// The program that the arguments ask for, if they do.
///
/// # Errors
/// Wrong usage, or an image that cannot be brought.
fn program(
    arguments: &ProgramArguments,
    inferences: Option<u32>,
    how: Bringing<'_>,
) -> anyhow::Result<Option<Brought>> {
    let ProgramArguments { image, bring, ready, name, command, .. } = arguments;
    if image.is_none() && command.is_empty() {
        let lonely = [
            ("--bring", !bring.is_empty()),
            ("--ready", ready.is_some()),
            ("--name", name.is_some()),
        ];
        return match lonely.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(tagged(
                Exit::Usage,
                format!("{flag} needs a program: add --image REF or -- COMMAND"),
            )),
            None => Ok(None),
        };
    }
    let image = image.as_deref().map(|name| find_image(name, how)).transpose()?;
    let source = ProgramSource {
        image: image.as_ref().map(|(source, _)| source.clone()),
        command: match image {
            Some(_) => command.clone(),
            None => with_whole_path(command)?,
        },
        files: files::parse(bring)?,
        ready: ready.clone().unwrap_or_default(),
        inferences,
    };
    // Asked now, so that what cannot run is told before anything is made.
    invocation(&source, image.as_ref().map(|(_, image)| image))?;
    let name = match name {
        Some(name) => check_name(name)?,
        None => given_name(&source),
    };
    Ok(Some(Brought::Program { name, source }))
}

/// The command of the host by its whole path, which a plan file keeps.
fn with_whole_path(command: &[String]) -> anyhow::Result<Vec<String>> {
    let path = find(first(command)?)?;
    let path = std::path::absolute(&path).unwrap_or(path);
    let mut whole = vec![path.to_string_lossy().into_owned()];
    whole.extend(command[1..].iter().cloned());
    Ok(whole)
}

fn find_image(reference: &str, how: Bringing<'_>) -> anyhow::Result<(ImageSource, Image)> {
    let image = image::bring(&resolve::store()?, reference, how)?;
    let source = ImageSource { reference: reference.to_owned(), id: image.id.clone() };
    Ok((source, image))
}

/// The image of a plan: that one, not whatever has its name today.
fn planned_image(store: &Store, source: &ImageSource, how: Bringing<'_>) -> anyhow::Result<Image> {
    let ImageSource { reference, id } = source;
    if let Some(image) = store.images().into_iter().find(|image| image.id == *id) {
        return Ok(image);
    }
    let image = image::bring(store, reference, how)?;
    match image.id == *id {
        true => Ok(image),
        false => Err(tagged(
            Exit::Usage,
            format!(
                "the plan was made with image {id} as `{reference}`, which now is {}: make a new \
                 plan",
                image.id
            ),
        )),
    }
}

/// How the program is run: with an image, its entry point and the command or
/// else its own; without, the command as /bin/NAME.
fn invocation(source: &ProgramSource, image: Option<&Image>) -> anyhow::Result<Invocation> {
    let Some(image) = image else { return of_host(&source.command) };
    let config = &image.config;
    let arguments = if source.command.is_empty() { &config.cmd } else { &source.command };
    of_image(image, [&config.entrypoint[..], arguments].concat())
}

/// `argv` as the image's configuration has it run.
pub(crate) fn of_image(image: &Image, argv: Vec<String>) -> anyhow::Result<Invocation> {
    let config = &image.config;
    let program = argv.first().cloned().ok_or_else(|| {
        tagged(Exit::Usage, "the image names no command: give one after --".to_owned())
    })?;
    Ok(Invocation {
        program,
        argv,
        env: config.env.clone(),
        workdir: config.workdir.clone(),
        user: config.user.clone(),
    })
}

/// A static executable of this host, which goes by its own name in /bin.
pub(crate) fn of_host(command: &[String]) -> anyhow::Result<Invocation> {
    let name = first(command)?;
    let program = find(name)?;
    check_static(&program).exit_with(Exit::Usage)?;
    Ok(Invocation::of(place_of(&program).to_string_lossy(), command))
}

fn first(command: &[String]) -> anyhow::Result<&str> {
    let name = command.first().map(String::as_str);
    name.ok_or_else(|| tagged(Exit::Usage, "the command is empty: give one after --"))
}

/// Where a command of the host lies in the sandbox.
fn place_of(program: &Path) -> PathBuf {
    Path::new("/bin").join(program.file_name().unwrap_or(program.as_os_str()))
}

/// Brings the host's own command along.
///
/// # Errors
/// That it cannot be read.
pub(crate) fn bring_command(provisions: &mut Provisions, name: &str) -> anyhow::Result<()> {
    let program = find(name)?;
    provisions
        .bring(&program, &place_of(&program))
        .with_context(|| format!("{} cannot be brought along", program.display()))
}

/// What each application of the plan is made from: `provisions`, or what the
/// user brings in their place.
///
/// # Errors
/// A file or image that is not there or cannot be brought.
pub(crate) fn outfits(
    plan: &Plan,
    provisions: &Provisions,
    brought: Option<&Brought>,
    how: Bringing<'_>,
) -> anyhow::Result<BTreeMap<String, Outfit>> {
    let outfit = |name: &String| {
        let own = || Outfit { provisions: provisions.clone(), invocation: None };
        let outfit = match (plan.sources.get(name), brought) {
            (Some(Source::Program(source)), _) => outfit(source, provisions, how)?,
            (Some(Source::Model(_)), Some(Brought::Model(model))) => {
                let mut outfit = own();
                model.bring(&mut outfit.provisions)?;
                outfit
            }
            _ => {
                let mut outfit = own();
                networks::bring(&mut outfit.provisions, name)?;
                outfit
            }
        };
        Ok((name.clone(), outfit))
    };
    plan.applications.iter().map(outfit).collect()
}

fn outfit(
    source: &ProgramSource,
    provisions: &Provisions,
    how: Bringing<'_>,
) -> anyhow::Result<Outfit> {
    let store = provisions.store();
    let image = source.image.as_ref().map(|image| planned_image(store, image, how)).transpose()?;
    let invocation = invocation(source, image.as_ref())?;
    let mut provisions = match &image {
        Some(image) => resolve::with_image(provisions, image)?,
        None => {
            let mut provisions = provisions.clone().writable();
            bring_command(&mut provisions, &source.command[0])?;
            provisions
        }
    };
    files::bring(&mut provisions, &source.files)?;
    Ok(Outfit { provisions, invocation: Some(invocation) })
}

/// The executable that a shell would find.
fn find(name: &str) -> anyhow::Result<PathBuf> {
    let usage = |why: &str| tagged(Exit::Usage, format!("`{name}` {why}"));
    let path = if name.contains('/') {
        let path = PathBuf::from(name);
        // Not the link's target: a multi-call program goes by its name.
        path.metadata().map_err(|error| usage(&format!("cannot be found: {error}")))?;
        path
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
            .ok_or_else(|| {
                usage(
                    "is no command of this host: give its path, or an image that has it by --image",
                )
            })?
    };
    let found = path.metadata().map_err(|error| usage(&format!("cannot be read: {error}")))?;
    if !found.is_file() {
        return Err(usage("is no file: give the path of a static executable"));
    }
    if found.permissions().mode() & 0o111 == 0 {
        return Err(usage("is not executable: chmod +x it first"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use isolde_image::ImageConfig;

    use super::*;
    use crate::naming::tests::source;

    #[test]
    fn words_replace_the_command_and_the_entry_point_stays() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut image = Image {
            id: "0".into(),
            names: Vec::new(),
            manifest: None,
            platform: "linux/amd64".into(),
            config: ImageConfig {
                entrypoint: words("python3 -u"),
                cmd: words("serve.py --all"),
                env: words("A=1"),
                workdir: "/app".into(),
                user: "app".into(),
            },
            layers: Vec::new(),
            bytes: 0,
            origin: String::new(),
            added_s: 0,
        };
        let own = invocation(&source(Some("x"), &[]), Some(&image)).unwrap();
        assert_eq!(own.argv, words("python3 -u serve.py --all"));
        let Invocation { program, env, workdir, user, .. } = own;
        let rest = (program.as_str(), env[0].as_str(), workdir.as_str(), user.as_str());
        assert_eq!(rest, ("python3", "A=1", "/app", "app"));
        let other = invocation(&source(Some("x"), &["test.py"]), Some(&image)).unwrap();
        assert_eq!(other.argv, words("python3 -u test.py"));
        image.config = ImageConfig::default();
        assert!(invocation(&source(Some("x"), &[]), Some(&image)).is_err());
    }
}
