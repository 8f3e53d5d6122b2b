//! What a VMM may do, and what is made of it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use isolde_backends::cloud_hypervisor::CloudHypervisor;
use isolde_backends::{Backend, BackendError, Ending};
use isolde_model::Readiness;

use crate::stand::{Case, Stand, late, names};
use crate::vmm::BEHAVIOUR;

pub(crate) const ALL: [Case; 7] = [
    ("a_guest_calls_and_ends", a_guest_calls_and_ends),
    ("a_writable_root_is_a_copy_of_the_room", a_writable_root_is_a_copy_of_the_room),
    ("a_vmm_that_dies_is_told_with_its_words", a_vmm_that_dies_is_told_with_its_words),
    ("a_refusal_is_told", a_refusal_is_told),
    ("silence_ends_with_the_deadline", silence_ends_with_the_deadline),
    ("what_a_machine_lacks_is_told", what_a_machine_lacks_is_told),
    ("a_program_that_will_not_do_is_told", a_program_that_will_not_do_is_told),
];

fn a_guest_calls_and_ends(stand: &Stand) {
    for (order, status) in [("off", 0), ("reset", 1)] {
        let mut vm = stand.vmm("call");
        let line = vm.sandbox.start(late()).unwrap();
        assert!(vm.sandbox.running_since().unwrap() <= Instant::now());
        assert_eq!(names(&vm.scratch), [BEHAVIOUR], "nothing to start it again from");
        let mut reader = File::from(line.reader);
        let mut mark = [0];
        reader.read_exact(&mut mark).unwrap();
        let early = vm.sandbox.wait(Instant::now());
        assert!(matches!(early, Err(BackendError::TimedOut { .. })), "{early:?}");
        let writer = std::os::unix::net::UnixStream::from(line.writer);
        (&writer).write_all(order.as_bytes()).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(vm.sandbox.wait(late()).unwrap(), Ending::Exited(status));
        vm.gone();
    }
}

fn a_writable_root_is_a_copy_of_the_room(stand: &Stand) {
    let mut spec = stand.spec("call");
    spec.writable_root = true;
    spec.room = Some(stand.folder.join("room"));
    let mut vm = stand.made(spec);
    assert!(names(&vm.scratch).contains(&"upper".to_owned()));
    let _line = vm.sandbox.start(late()).unwrap();
    assert_eq!(names(&vm.scratch), [BEHAVIOUR]);
    vm.gone();
}

fn a_vmm_that_dies_is_told_with_its_words(stand: &Stand) {
    for (behaviour, expected) in [
        ("die", "ended at once: Error: no such hypervisor"),
        ("die at boot", "ended at once: 1: Cannot load the kernel"),
        ("panic", "the guest ended at once: cannot mount the root disk: no"),
        ("reset", "the guest ended at once: cloud-hypervisor exited with status 1"),
    ] {
        let mut vm = stand.vmm(behaviour);
        let error = vm.sandbox.start(late()).unwrap_err();
        assert!(matches!(error, BackendError::DiedAtOnce { .. }), "{behaviour}: {error:?}");
        assert!(error.to_string().ends_with(expected), "{behaviour}: {error}");
        vm.gone();
    }
}

fn a_refusal_is_told(stand: &Stand) {
    for (behaviour, expected) in
        [("refuse", "Error from API: no room"), ("refuse as of old", "VmCreate(NoRoom)")]
    {
        let mut vm = stand.vmm(behaviour);
        let error = vm.sandbox.start(late()).unwrap_err();
        assert!(error.to_string().ends_with("do vm.create"), "{behaviour}: {error}");
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(why, expected, "{behaviour}");
        vm.gone();
    }
}

fn silence_ends_with_the_deadline(stand: &Stand) {
    for behaviour in ["hang", "stop", "never call"] {
        let mut vm = stand.vmm(behaviour);
        let error = vm.sandbox.start(Instant::now() + Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, BackendError::TimedOut { .. }), "{behaviour}: {error:?}");
        assert_eq!(vm.sandbox.wait(late()).unwrap(), Ending::Signalled(9), "{behaviour}");
        vm.gone();
    }
}

fn what_a_machine_lacks_is_told(stand: &Stand) {
    let mut spec = stand.spec("call");
    spec.kernel = None;
    let error = Stand::refusal(stand.backend(), spec);
    assert!(error.starts_with("no kernel for the guest"), "{error}");
    let mut spec = stand.spec("call");
    spec.root = stand.folder.join("nothing");
    let error = Stand::refusal(stand.backend(), spec);
    assert!(error.starts_with("cannot open") && error.ends_with("nothing"), "{error}");
    let absent = CloudHypervisor::of("/nowhere/cloud-hypervisor");
    let error = Stand::refusal(&absent, stand.spec("call"));
    assert_eq!(error, "cannot start /nowhere/cloud-hypervisor");
}

fn a_program_that_will_not_do_is_told(stand: &Stand) {
    let program = stand.folder.join("program");
    let missing = |output: &str| {
        fs::write(&program, format!("#!/bin/sh\n{output}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        match CloudHypervisor::of(&program).probe() {
            Readiness::Missing(missing) => missing,
            Readiness::Ready(ready) => panic!("{ready:?}"),
        }
    };
    let old = missing("echo cloud-hypervisor v34.0");
    assert!(old.what.ends_with("program is 34.0: too old"), "{old:?}");
    assert!(old.hint.starts_with("version 35 at least: put the static"), "{old:?}");
    for output in ["echo hello", "exit 1", "kill -9 $$", ":"] {
        let broken = missing(output);
        assert!(broken.what.contains("program does not start"), "{broken:?}");
    }
    let Readiness::Missing(absent) = CloudHypervisor::of("no-such-vmm").probe() else {
        panic!("it is there")
    };
    assert_eq!(absent.what, "no-such-vmm is not installed");
    assert!(absent.hint.contains("releases on the PATH"), "{absent:?}");
}
