//! What the Engine says of itself, and whether figures taken with it would hold.

use std::path::Path;

use bollard::models::{SystemInfo, SystemInfoCgroupDriverEnum, SystemVersion};
use isolde_model::Missing;

/// How the Engine makes the cgroups of its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CgroupDriver {
    /// As directories, below any cgroup it is given.
    Cgroupfs,
    /// As scopes of systemd, below a slice.
    Systemd,
}

/// What is worth knowing of a usable Engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Such as `docker 20.10.24, runc 1.1.5, overlay2, cgroupfs, cgroup v1`.
    pub(super) version: String,
    /// What the user should know of it.
    pub(super) note: Option<String>,
    pub(super) driver: CgroupDriver,
    /// Process at the other end of the socket; with socket activation that is
    /// systemd, not the Engine.
    pub(super) peer: Option<i32>,
}

/// Reads the answers, or says what makes this Engine unfit.
pub(super) fn gather(
    version: &SystemVersion,
    info: &SystemInfo,
    peer: Option<i32>,
) -> Result<Facts, Missing> {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    check_kind(version, info, &kernel)?;
    check_apparmor(info, has_program("apparmor_parser"))?;
    let driver = match info.cgroup_driver {
        Some(SystemInfoCgroupDriverEnum::CGROUPFS) => CgroupDriver::Cgroupfs,
        Some(SystemInfoCgroupDriverEnum::SYSTEMD) => CgroupDriver::Systemd,
        _ => return Err(unfit("it has no cgroup driver, so it limits nothing")),
    };
    let runtime = info.default_runtime.as_deref().unwrap_or("runc");
    let note = (runtime != "runc").then(|| format!("its default runtime is {runtime}"));
    Ok(Facts { version: version_text(version, info, driver), note, driver, peer })
}

fn check_kind(version: &SystemVersion, info: &SystemInfo, kernel: &str) -> Result<(), Missing> {
    let components = version.components.iter().flatten();
    if components.into_iter().any(|component| component.name.contains("Podman")) {
        return Err(unfit("it is Podman, not Docker Engine"));
    }
    if info.security_options.iter().flatten().any(|option| option.starts_with("name=rootless")) {
        return Err(unfit("it is rootless, and its cgroups belong to its user"));
    }
    match info.kernel_version.as_deref() {
        Some(theirs) if theirs != kernel => {
            Err(unfit(&format!("it runs on another kernel ({theirs}), in a VM or elsewhere")))
        }
        _ => Ok(()),
    }
}

/// Docker 20.10 that finds AppArmor in the kernel starts no container
/// without the program that loads its profile, which `apt-get install
/// --no-install-recommends docker.io` leaves out.
fn check_apparmor(info: &SystemInfo, has_parser: bool) -> Result<(), Missing> {
    let mut options = info.security_options.iter().flatten();
    if has_parser || !options.any(|option| option.starts_with("name=apparmor")) {
        return Ok(());
    }
    Err(Missing {
        what: "docker wants to use AppArmor, but apparmor_parser is not installed".into(),
        hint: "sudo apt-get install --yes apparmor".into(),
        packages: vec!["apparmor".into()],
    })
}

/// Whether it is where services find it (systemd.exec(5), `DefaultPath`).
fn has_program(name: &str) -> bool {
    const FOLDERS: [&str; 6] =
        ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    FOLDERS.iter().any(|folder| Path::new(folder).join(name).exists())
}

fn unfit(why: &str) -> Missing {
    Missing {
        what: format!("the docker daemon here cannot be measured: {why}"),
        hint: "use the system-wide Docker Engine: DOCKER_HOST=unix:///var/run/docker.sock".into(),
        packages: Vec::new(),
    }
}

fn version_text(version: &SystemVersion, info: &SystemInfo, driver: CgroupDriver) -> String {
    let bare = |text: &str| text.split(['+', '~']).next().unwrap_or_default().to_owned();
    let runc = version.components.iter().flatten().find(|component| component.name == "runc");
    let parts = [
        version.version.as_deref().map(|text| format!("docker {}", bare(text))),
        runc.map(|runc| format!("runc {}", bare(&runc.version))),
        info.driver.clone(),
        Some(match driver {
            CgroupDriver::Cgroupfs => "cgroupfs".into(),
            CgroupDriver::Systemd => "systemd".into(),
        }),
        info.cgroup_version.map(|number| format!("cgroup v{number}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{SystemInfoCgroupVersionEnum, SystemVersionComponents};

    fn component(name: &str, version: &str) -> SystemVersionComponents {
        SystemVersionComponents { name: name.into(), version: version.into(), details: None }
    }

    fn answers() -> (SystemVersion, SystemInfo) {
        let version = SystemVersion {
            version: Some("20.10.24+dfsg1".into()),
            components: Some(vec![component("runc", "1.1.5+ds1")]),
            ..SystemVersion::default()
        };
        let info = SystemInfo {
            driver: Some("overlay2".into()),
            cgroup_driver: Some(SystemInfoCgroupDriverEnum::SYSTEMD),
            cgroup_version: Some(SystemInfoCgroupVersionEnum::_2),
            default_runtime: Some("runc".into()),
            ..SystemInfo::default()
        };
        (version, info)
    }

    #[test]
    fn versions_are_told_in_one_line() {
        let (version, info) = answers();
        let facts = gather(&version, &info, Some(7)).unwrap();
        assert_eq!(facts.version, "docker 20.10.24, runc 1.1.5, overlay2, systemd, cgroup v2");
        assert_eq!((facts.driver, facts.note), (CgroupDriver::Systemd, None));
    }

    #[test]
    fn an_engine_that_cannot_load_its_profile_names_the_package() {
        let mut info = SystemInfo::default();
        assert_eq!(check_apparmor(&info, false), Ok(()));
        info.security_options = Some(vec!["name=apparmor".into(), "name=cgroupns".into()]);
        assert_eq!(check_apparmor(&info, true), Ok(()));
        assert_eq!(check_apparmor(&info, false).unwrap_err().packages, ["apparmor"]);
    }

    #[test]
    fn engines_that_cannot_be_measured_are_refused() {
        type Spoil = fn(&mut SystemVersion, &mut SystemInfo);
        let cases: [(Spoil, &str); 4] = [
            (
                |version, _| version.components = Some(vec![component("Podman Engine", "4")]),
                "Podman",
            ),
            (|_, info| info.security_options = Some(vec!["name=rootless".into()]), "rootless"),
            (|_, info| info.kernel_version = Some("5.4.0-linuxkit".into()), "linuxkit"),
            (
                |_, info| info.cgroup_driver = Some(SystemInfoCgroupDriverEnum::NONE),
                "cgroup driver",
            ),
        ];
        for (spoil, word) in cases {
            let (mut version, mut info) = answers();
            spoil(&mut version, &mut info);
            assert!(gather(&version, &info, None).unwrap_err().what.contains(word), "{word}");
        }
    }
}
