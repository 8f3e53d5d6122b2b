use proptest::prelude::*;

use super::*;

/// An entry of a layer, drawn at random from few names, so that they meet.
#[derive(Debug, Clone)]
struct Drawn {
    kind: u8,
    name: String,
    link: String,
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let name = || "(\\./)?[abc.]{1,2}(/[abc.]{1,2}){0,3}";
    let link = "/?[abc.]{1,2}(/[abc.]{1,2}){0,2}";
    let entry = (prop::sample::select(b"005521w".to_vec()), name(), link)
        .prop_map(|(kind, name, link)| Drawn { kind, name, link });
    prop::collection::vec(entry, 0..12)
}

fn archive(entries: &[Drawn]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Drawn { kind, name, link } in entries {
        let mut header = tar::Header::new_gnu();
        let name = match kind {
            b'w' => match name.rsplit_once('/') {
                Some((parent, name)) => format!("{parent}/.wh.{name}"),
                None => format!(".wh.{name}"),
            },
            _ => name.clone(),
        };
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_link_name_literal(link).unwrap();
        header.set_entry_type(tar::EntryType::new(if *kind == b'w' { b'0' } else { *kind }));
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
    }
    bytes
}

proptest! {
    /// Whatever layers say, the tree is one that can be written without ever
    /// following a link: each name is plain and lies in a folder.
    #[test]
    fn a_tree_of_any_layers_is_sound(layers in prop::collection::vec(drawn(), 1..4)) {
        let archives: Vec<Vec<u8>> = layers.iter().map(|layer| archive(layer)).collect();
        let archives: Vec<&[u8]> = archives.iter().map(Vec::as_slice).collect();
        let Ok(tree) = merge_archives(&archives) else { return Ok(()) };
        let mut folders = std::collections::BTreeSet::from([Vec::new()]);
        let mut sound = true;
        tree.walk(&mut |path, id| {
            let cut = path.iter().rposition(|byte| *byte == b'/');
            let (parent, name) = match cut {
                Some(cut) => (&path[..cut], &path[cut + 1..]),
                None => (&path[..0], path),
            };
            sound &= !name.is_empty() && name != b"." && name != b"..";
            sound &= !name.starts_with(b".wh.") && folders.contains(parent);
            if matches!(tree.node(id).kind, Kind::Folder(_)) {
                folders.insert(path.to_vec());
            }
        });
        prop_assert!(sound, "{tree:?}");
    }
}
