//! Putting a layer upon a tree (OCI image specification, layer.md, "Applying
//! Changesets").

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::node::{Content, Kind, Node, NodeId, Tree};
use crate::layer::{Attributes, Entry, EntryKind, InnerPath, LayerFault, readable};

/// Most links that are followed for one name, as in Linux (`MAXSYMLINKS`).
const MOST_LINKS: u32 = 40;

/// Deepest folder: beyond it no path could name it.
const DEEPEST: usize = 2048;

/// Takes away what an entry of an upper layer hides.
pub(super) fn hide(tree: &mut Tree, entry: &Entry) {
    let (folder, name) = match (&entry.kind, entry.path.split_last()) {
        (EntryKind::Opaque, _) => (&*entry.path.0, None),
        (EntryKind::Whiteout, Some((name, parents))) => (parents, Some(name)),
        _ => return,
    };
    // What is not there needs no hiding.
    if let Ok(Some(folder)) = resolve(tree, folder, false)
        && let Kind::Folder(children) = &mut tree.node_mut(folder).kind
    {
        match name {
            Some(name) => drop(children.remove(name)),
            None => children.clear(),
        }
    }
}

/// Puts an entry of layer number `layer` into the tree.
pub(super) fn put(tree: &mut Tree, layer: u32, entry: Entry) -> Result<(), LayerFault> {
    if matches!(entry.kind, EntryKind::Whiteout | EntryKind::Opaque) {
        return Ok(());
    }
    let Entry { path, attributes, kind } = entry;
    let refuse = |reason: String| LayerFault::entry(&path.0.join(&b'/'), reason);
    let Some((name, parents)) = path.split_last() else {
        // The root itself: it is a folder, whatever the archive calls it.
        if matches!(kind, EntryKind::Folder) {
            tree.node_mut(Tree::ROOT).attributes = attributes;
        }
        return Ok(());
    };
    let folder = resolve(tree, parents, true).map_err(refuse)?;
    let folder = folder.ok_or_else(|| refuse("its folder cannot be made".into()))?;
    let kind = match kind {
        EntryKind::Folder => match tree.child(folder, name) {
            Some(id) if matches!(tree.node(id).kind, Kind::Folder(_)) => {
                tree.node_mut(id).attributes = attributes;
                return Ok(());
            }
            _ => Kind::Folder(BTreeMap::new()),
        },
        EntryKind::File { bytes, segments } => {
            Kind::File { bytes, content: Content::Layer { layer, segments } }
        }
        EntryKind::Symlink(target) if target.is_empty() => {
            return Err(refuse("a link without a target".into()));
        }
        EntryKind::Symlink(target) if target.len() > 4095 => {
            return Err(refuse("the target of a link is longer than a path can be".into()));
        }
        EntryKind::Symlink(target) => Kind::Symlink(target),
        EntryKind::Fifo => Kind::Fifo,
        EntryKind::Hardlink(target) => {
            let existing = find_file(tree, &target).map_err(refuse)?;
            link(tree, folder, name, existing);
            return Ok(());
        }
        EntryKind::Whiteout | EntryKind::Opaque => return Ok(()),
    };
    let id = tree.add(Node { attributes, kind });
    link(tree, folder, name, id);
    Ok(())
}

/// The file that a hard link names.
fn find_file(tree: &mut Tree, target: &InnerPath) -> Result<NodeId, String> {
    let text = || readable(&target.0.join(&b'/'));
    let absent = || format!("a hard link to `{}`, which does not exist", text());
    let (name, parents) = target.split_last().ok_or_else(absent)?;
    let folder = resolve(tree, parents, false)?.ok_or_else(absent)?;
    let id = tree.child(folder, name).ok_or_else(absent)?;
    match tree.node(id).kind {
        Kind::Folder(_) => Err(format!("a hard link to `{}`, which is a folder", text())),
        _ => Ok(id),
    }
}

fn link(tree: &mut Tree, folder: NodeId, name: &[u8], id: NodeId) {
    if let Kind::Folder(children) = &mut tree.node_mut(folder).kind {
        children.insert(name.into(), id);
    }
}

/// The folder of these names. Links on the way are followed as they are inside
/// a sandbox: an absolute one begins at the image's root, and none leads out of
/// it. Missing folders are made if `make`, otherwise there is none.
fn resolve(tree: &mut Tree, names: &[Box<[u8]>], make: bool) -> Result<Option<NodeId>, String> {
    // Names still to be walked, the next one last.
    let mut left: Vec<Box<[u8]>> = names.iter().rev().cloned().collect();
    let mut way = vec![Tree::ROOT];
    let mut links = 0;
    while let Some(name) = left.pop() {
        let here = *way.last().unwrap_or(&Tree::ROOT);
        match &*name {
            b"" | b"." => continue,
            b".." if way.len() == 1 => {
                return Err("a link on the way to it leads out of the root".into());
            }
            b".." => {
                way.pop();
                continue;
            }
            _ => {}
        }
        let Some(child) = tree.child(here, &name) else {
            if !make {
                return Ok(None);
            }
            if way.len() > DEEPEST {
                return Err("it lies too deep".into());
            }
            way.push(new_folder(tree, here, &name, 0o755));
            continue;
        };
        match &tree.node(child).kind {
            Kind::Folder(_) => way.push(child),
            Kind::Symlink(target) => {
                links += 1;
                if links > MOST_LINKS {
                    return Err("the links on the way to it go round in a circle".into());
                }
                if target.first() == Some(&b'/') {
                    way.truncate(1);
                }
                left.extend(target.split(|byte| *byte == b'/').rev().map(Into::into));
            }
            _ if make => return Err("a file lies where its folder would be".into()),
            _ => return Ok(None),
        }
    }
    Ok(way.last().copied())
}

fn new_folder(tree: &mut Tree, parent: NodeId, name: &[u8], mode: u16) -> NodeId {
    let attributes = Attributes { mode, ..Attributes::default() };
    let id = tree.add(Node { attributes, kind: Kind::Folder(BTreeMap::new()) });
    link(tree, parent, name, id);
    id
}

/// Folders that an image may have as links to others. The rest is mounted on,
/// in some environments from outside, where a link would lead astray.
const MAY_BE_LINKS: [&[u8]; 2] = [b"run", b"tmp"];

/// Puts a folder of Isolde's there, unless the image has one.
pub(super) fn ensure_folder(tree: &mut Tree, path: &Path, mode: u32) -> Result<(), &'static str> {
    let names = names(path);
    let (name, folder) = place(tree, &names)?;
    let existing = tree.child(folder, &name).map(|id| &tree.node(id).kind);
    let is_there = match existing {
        Some(Kind::Folder(_)) => true,
        Some(_) if MAY_BE_LINKS.contains(&&*name) => {
            matches!(resolve(tree, &names, false), Ok(Some(_)))
        }
        _ => false,
    };
    if !is_there {
        new_folder(tree, folder, &name, (mode & 0o7777) as u16);
    }
    Ok(())
}

/// Puts a file of the host there, which the image must not have.
pub(super) fn host_file(
    tree: &mut Tree,
    path: &Path,
    mode: u32,
    bytes: u64,
    content: Content,
) -> Result<(), &'static str> {
    let (name, folder) = place(tree, &names(path))?;
    if tree.child(folder, &name).is_some() {
        return Err("the image has something else there");
    }
    let attributes = Attributes { mode: (mode & 0o7777) as u16, ..Attributes::default() };
    let id = tree.add(Node { attributes, kind: Kind::File { bytes, content } });
    link(tree, folder, &name, id);
    Ok(())
}

fn place(tree: &mut Tree, names: &[Box<[u8]>]) -> Result<(Box<[u8]>, NodeId), &'static str> {
    let (name, parents) = names.split_last().ok_or("it is the root")?;
    match resolve(tree, parents, true) {
        Ok(Some(folder)) => Ok((name.clone(), folder)),
        _ => Err("the image has something else where its folder would be"),
    }
}

fn names(path: &Path) -> Vec<Box<[u8]>> {
    path.components().map(|part| part.as_os_str().as_bytes().into()).collect()
}
