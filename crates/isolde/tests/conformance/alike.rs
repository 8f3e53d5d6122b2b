//! What a program finds around itself, compared between environments.

use std::collections::BTreeMap;

use isolde_model::EnvironmentName;

use crate::stage::{Root, Stage, ending, text};

/// Prints facts, one a line, each after its name and a colon. Files that only
/// some environments have (cgroups, the host's devices) are not asked for.
const PROBE: &str = r#"
fact() { name=$1; shift; echo "$name: $("$@" 2>&1 | busybox tr '\n' ';')"; }
node() { busybox stat -L -c '%F %t:%T' /dev/$1; }
usable() { echo -n x >$1 && busybox head -c 1 $1; }
limit() { busybox sed -n "s/^Max $1  *//p" /proc/self/limits | busybox tr -s ' '; }
mounted() { busybox sed -n "s#^[^ ]* $1 \([^ ]*\) .*#\1#p" /proc/mounts | busybox tail -n 1; }
writable() { busybox mkdir -p $1 && echo x >$1/probe && busybox cat $1/probe && busybox rm $1/probe; }
mode() { busybox stat -c '%F %a %u:%g' $1; }

fact id busybox id
fact folder pwd
fact umask umask
fact variables busybox env
fact oom-score busybox cat /proc/self/oom_score_adj
for name in 'core file size' 'locked memory' 'open files' 'pending signals' processes \
  'stack size' 'file size' 'address space' 'cpu time' 'data size' 'msgqueue size'; do
  fact "limit of $name" limit "$name"
done
for name in null zero full random urandom tty; do fact /dev/$name node $name; done
for name in fd stdin stdout stderr; do fact /dev/$name busybox readlink /dev/$name; done
fact /dev/ptmx busybox test -c /dev/ptmx -a -r /dev/ptmx -a -w /dev/ptmx
fact null usable /dev/null
fact zero eval 'busybox head -c 3 /dev/zero | busybox od -An -tx1'
fact random eval 'busybox head -c 16 /dev/urandom | busybox wc -c'
fact stdout eval 'echo through /dev/stdout >/dev/stdout'
fact fd eval 'echo through | busybox cat /dev/fd/0'
for place in / /dev/pts /dev/shm /proc /sys /tmp /run; do fact "mounted on $place" mounted $place; done
fact 'size of /dev/shm' eval 'busybox df -k /dev/shm | busybox tail -n 1 | busybox tr -s " " | busybox cut -d " " -f 2'
for place in / /bin /dev/shm /etc /home /opt /root /run /srv /tmp /usr/lib /var /var/lib /var/tmp; do
  fact "writing to $place" writable $place
done
for place in / /dev/shm /tmp /run /root /var/lib/state; do fact "mode of $place" mode $place; done
fact /etc/hosts busybox cat /etc/hosts
fact /etc/hostname busybox cat /etc/hostname
fact hostname busybox hostname
fact localhost eval 'busybox ping -c 1 -w 5 localhost >/dev/null && echo answers'
fact sysfs busybox test -d /sys/devices/system/cpu
fact cpus busybox nproc
fact network eval 'busybox ls /sys/class/net'
"#;

/// Facts in which an environment may differ, and why.
const DIFFERENCES: [(&str, &str, &str); 4] = [
    ("process", "hostname", "it is the host's"),
    ("process", "network", "it is the host's"),
    ("qemu-microvm", "mounted on /", "a disk, where others have an overlay"),
    ("vm", "mounted on /", "a disk, where others have an overlay"),
];

/// A host's root in a restricted container may not raise the limits it was given
/// itself; a guest's root always may.
const RAISED: [&str; 3] = ["limit of open files", "limit of pending signals", "limit of processes"];

fn may_differ(environment: &str, fact: &str) -> bool {
    let listed = DIFFERENCES.iter().any(|(who, what, _)| *who == environment && *what == fact);
    let backend = isolde_backends::find(&EnvironmentName::new(environment));
    let own_kernel = backend.is_some_and(|backend| backend.guest().is_some());
    listed || (own_kernel && RAISED.contains(&fact) && !host_may_raise_limits())
}

fn host_may_raise_limits() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    // CAP_SYS_RESOURCE.
    u64::from_str_radix(capabilities.trim(), 16).unwrap() >> 24 & 1 == 1
}

#[expect(clippy::print_stderr, reason = "the table, shown when it fails")]
#[test]
fn programs_find_the_same_everywhere() {
    let mut tables = BTreeMap::new();
    for backend in isolde_backends::all() {
        let name = backend.name().to_string();
        let Some(mut stage) = Stage::set(&name, Root::Writable) else { continue };
        let done = stage.busybox(&["sh", "-c", PROBE]).map_err(text).unwrap();
        assert_eq!(ending(&done), (Some(0), None), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(stage.retire(), [""; 0]);
        tables.insert(name, facts(&String::from_utf8_lossy(&done.stdout)));
    }
    let mut wrong = Vec::new();
    let Some((model, expected)) = tables.first_key_value() else { return };
    for (environment, found) in &tables {
        for name in expected.keys().chain(found.keys()) {
            let is_known = may_differ(environment, name) || may_differ(model, name);
            if found.get(name) != expected.get(name) && !is_known {
                let (found, expected) = (found.get(name), expected.get(name));
                wrong.push(format!("{name}: {found:?} in {environment}, {expected:?} in {model}"));
            }
        }
    }
    eprintln!("compared: {:?}", tables.keys());
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn facts(text: &str) -> BTreeMap<String, String> {
    let facts = text.lines().filter_map(|line| line.split_once(": "));
    facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
