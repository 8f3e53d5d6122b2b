//! Users and groups as the image's own `/etc/passwd` and `/etc/group` have
//! them, by the rules of Docker (moby/sys `user.GetExecUser`).

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Who a program runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Home folder.
    pub home: String,
}

/// Bytes of each file that are read: the image is a stranger's.
const LARGEST_FILE: u64 = 1 << 20;
/// Supplementary groups that are taken; the kernel allows 65536.
const MOST_GROUPS: usize = 1024;

/// The account of `user` (`name|uid[:group|gid]`, empty for root) in the root
/// folder `root`.
pub(super) fn find(root: &Path, user: &str) -> Result<Account, String> {
    account_of(user, &read(&root.join("etc/passwd")), &read(&root.join("etc/group")))
}

/// An absent file knows nobody.
fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // What was read until an error is as good as a shorter file.
        let _ = file.take(LARGEST_FILE).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The account of `user` (`name|uid[:group|gid]`, empty for root) by the texts of
/// an `/etc/passwd` and an `/etc/group`.
///
/// # Errors
/// In words, that there is no such user or group.
pub fn account_of(user: &str, passwd: &str, group: &str) -> Result<Account, String> {
    let (user, wanted_group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let entry = passwd.lines().filter_map(User::read).find(|entry| entry.is_called(user));
    let mut account = match (&entry, number(user)) {
        (Some(entry), _) => {
            let home = if entry.home.is_empty() { "/" } else { entry.home };
            Account { uid: entry.uid, gid: entry.gid, groups: Vec::new(), home: home.to_owned() }
        }
        (None, Some(uid)) => Account { uid, gid: 0, groups: Vec::new(), home: "/".to_owned() },
        (None, None) => return Err(format!("there is no user `{user}` in its /etc/passwd")),
    };
    let groups = || group.lines().filter_map(Group::read);
    match wanted_group {
        Some(wanted) => {
            let found = groups().find(|group| group.is_called(wanted)).map(|group| group.gid);
            account.gid = found
                .or_else(|| number(wanted))
                .ok_or_else(|| format!("there is no group `{wanted}` in its /etc/group"))?;
        }
        None => {
            let name = entry.map_or("", |entry| entry.name);
            let member = |group: &Group<'_>| group.members.split(',').any(|other| other == name);
            let own = groups().filter(|group| !name.is_empty() && member(group));
            account.groups = own.map(|group| group.gid).take(MOST_GROUPS).collect();
        }
    }
    Ok(account)
}

/// A user or group id: 0 to 2^31 - 1, as Docker allows.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<i32>().ok().filter(|_| plain).and_then(|number| u32::try_from(number).ok())
}

/// A line of passwd(5).
struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> User<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        let (uid, gid) = (number(fields.next()?)?, number(fields.next()?)?);
        Some(Self { name, uid, gid, home: fields.nth(1).unwrap_or_default() })
    }

    fn is_called(&self, user: &str) -> bool {
        self.name == user || number(user) == Some(self.uid)
    }
}

/// A line of group(5).
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        Some(Self { name, gid: number(fields.next()?)?, members: fields.next().unwrap_or("") })
    }

    fn is_called(&self, group: &str) -> bool {
        self.name == group || number(group) == Some(self.gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        broken:x:no:1::/:\n\
        app:x:1000:1001:The app:/home/app:/bin/sh\n\
        nohome:x:7:7::\n";
    const GROUP: &str = "root:x:0:\nvideo:x:44:app,other\nrender:x:105:app\napp:x:1001:\n";

    fn found(user: &str) -> (u32, u32, Vec<u32>, String) {
        let Account { uid, gid, groups, home } = account_of(user, PASSWD, GROUP).unwrap();
        (uid, gid, groups, home)
    }

    #[test]
    fn users_and_groups_are_found_by_name_and_number() {
        assert_eq!(found(""), (0, 0, vec![], "/root".into()));
        assert_eq!(found("app"), (1000, 1001, vec![44, 105], "/home/app".into()));
        assert_eq!(found("1000"), found("app"));
        assert_eq!(found("app:video"), (1000, 44, vec![], "/home/app".into()));
        assert_eq!(found("app:44"), found("app:video"));
        assert_eq!(found("app:"), found("app"));
        assert_eq!(found("4242"), (4242, 0, vec![], "/".into()));
        assert_eq!(found("4242:4343"), (4242, 4343, vec![], "/".into()));
        assert_eq!(found("nohome").3, "/");
    }

    #[test]
    fn an_unknown_name_is_told() {
        for (user, word) in [("nobody", "user `nobody`"), ("app:wheel", "group `wheel`")] {
            let reason = account_of(user, PASSWD, GROUP).unwrap_err();
            assert!(reason.contains(word), "{reason}");
        }
        for user in ["-1", "+1", "4294967295", "2147483648", "broken"] {
            assert!(account_of(user, PASSWD, GROUP).is_err(), "{user}");
        }
        assert_eq!(account_of("0", "", "").unwrap().home, "/");
    }
}
