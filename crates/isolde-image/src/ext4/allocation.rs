//! Numbers and places: which inode and which blocks every node gets.

use super::geometry::{FIRST_INODE, Geometry};
use super::{BLOCK, Room, directory, extents, xattr};
use crate::ImageError;
use crate::layer::{Segments, readable};
use crate::merged::{Content, Kind, NodeId, Tree};

/// Number of the root folder's inode.
const ROOT_INODE: u32 = 2;
/// A folder with more subfolders than this tells none (dir_nlink); a file cannot
/// have more names (`EXT4_LINK_MAX`).
const MOST_LINKS: u32 = 65_000;
/// Longest target of a link that the inode itself holds.
pub(super) const SHORT_TARGET: usize = 59;

/// What one node got; all zero for one that no name leads to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) inode: u32,
    /// Its names; of a folder, also those by which it is known within.
    pub(super) links: u32,
    /// Inode of the folder that a folder is in.
    pub(super) parent: u32,
    /// First of its blocks.
    pub(super) start: u64,
}

/// The places of a whole tree.
pub(super) struct Allocation {
    pub(super) places: Vec<Place>,
    /// Nodes by inode number; the first is the root, then from [`FIRST_INODE`] on.
    pub(super) by_inode: Vec<NodeId>,
    /// Nodes with blocks, in the order in which these lie in the image.
    pub(super) by_block: Vec<NodeId>,
    pub(super) geometry: Geometry,
    /// Blocks in use from the start of the image.
    pub(super) used_blocks: u64,
}

/// Blocks that a node needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// For its extent tree.
    pub(super) leaves: u64,
    /// For its attributes.
    pub(super) xattrs: u64,
    pub(super) content: u64,
}

impl Needs {
    pub(super) const fn total(self) -> u64 {
        self.leaves + self.xattrs + self.content
    }
}

/// Blocks that `node` needs.
pub(super) fn needs(tree: &Tree, id: NodeId) -> Result<Needs, String> {
    let node = tree.node(id);
    let xattrs = match &*node.attributes.xattrs {
        [] => 0,
        some => {
            xattr::block(some).ok_or("its extended attributes do not fit into a block of ext4")?;
            1
        }
    };
    let (leaves, content) = match &node.kind {
        Kind::Folder(children) => (0, directory::count_blocks(children.keys().map(|name| &**name))),
        Kind::Symlink(target) => (0, u64::from(target.len() > SHORT_TARGET)),
        Kind::Fifo => (0, 0),
        Kind::File { bytes, content } => {
            let runs = extents::runs(*bytes, content)
                .ok_or("it is too large, or scattered over too many pieces, for ext4")?;
            (extents::leaf_blocks(&runs), runs.iter().map(|run| run.blocks).sum())
        }
    };
    Ok(Needs { leaves, xattrs, content })
}

impl Allocation {
    pub(super) fn of(tree: &Tree, room: Room) -> Result<Self, ImageError> {
        let (mut places, by_inode, by_block) = number(tree);
        let mut next = 0;
        for &id in &by_block {
            let counted = match places[id as usize].links {
                links if links > MOST_LINKS => Err(format!("it has {links} names")),
                _ => needs(tree, id),
            };
            let needs = counted.map_err(|reason| ImageError::Unfit {
                path: find_name(tree, id),
                form: "ext4",
                reason,
            })?;
            places[id as usize].start = next;
            next += needs.total();
        }
        let used_inodes = u64::from(FIRST_INODE) - 1 + by_inode.len() as u64 - 1;
        let geometry = Geometry::of(used_inodes, next, room).ok_or_else(|| ImageError::Unfit {
            path: "/".into(),
            form: "ext4",
            reason: format!("{next} blocks of {BLOCK} bytes are more than it can hold"),
        })?;
        for &id in &by_block {
            places[id as usize].start += geometry.content;
        }
        let used_blocks = geometry.content + next;
        Ok(Self { places, by_inode, by_block, geometry, used_blocks })
    }

    pub(super) fn place(&self, id: NodeId) -> Place {
        self.places[id as usize]
    }

    /// Inodes in use, reserved ones included.
    pub(super) fn used_inodes(&self) -> u64 {
        u64::from(FIRST_INODE) - 1 + self.by_inode.len() as u64 - 1
    }
}

/// Places by node, nodes by inode number, nodes by block.
type Numbered = (Vec<Place>, Vec<NodeId>, Vec<NodeId>);

/// Gives inode numbers in the order of the tree, and blocks to folders first,
/// then to files in the order in which their bytes are read.
fn number(tree: &Tree) -> Numbered {
    let mut places = vec![Place::default(); tree.len()];
    let mut by_inode = vec![Tree::ROOT];
    places[Tree::ROOT as usize] =
        Place { inode: ROOT_INODE, links: 2, parent: ROOT_INODE, start: 0 };
    tree.walk(&mut |_, id| {
        let place = &mut places[id as usize];
        place.links += 1;
        if place.inode == 0 {
            place.inode = FIRST_INODE + by_inode.len() as u32 - 1;
            by_inode.push(id);
        }
    });
    for &id in &by_inode {
        let own = places[id as usize].inode;
        let mut folders = 0;
        for (_, child) in tree.children(id) {
            if matches!(tree.node(child).kind, Kind::Folder(_)) {
                folders += 1;
                places[child as usize].parent = own;
                // The name `.` in itself.
                places[child as usize].links += 1;
            }
        }
        // The names `..` in its folders.
        places[id as usize].links += folders;
    }
    for &id in &by_inode {
        let place = &mut places[id as usize];
        if place.links > MOST_LINKS && matches!(tree.node(id).kind, Kind::Folder(_)) {
            place.links = 1;
        }
    }
    let mut by_block = by_inode.clone();
    by_block.sort_by_key(|id| reading_order(tree, *id));
    (places, by_inode, by_block)
}

/// Folders, then files as they lie in their sources, so that reading and
/// writing both go straight on.
fn reading_order(tree: &Tree, id: NodeId) -> (u8, u32, u64) {
    match &tree.node(id).kind {
        Kind::Folder(_) => (0, 0, 0),
        Kind::File { content: Content::Layer { layer, segments }, .. } => {
            let first = match segments {
                Segments::Whole(offset) => *offset,
                Segments::Sparse(pieces) => pieces.first().map_or(0, |piece| piece.offset),
            };
            (1, *layer, first)
        }
        _ => (2, 0, 0),
    }
}

/// The name of a node, for an error.
fn find_name(tree: &Tree, wanted: NodeId) -> std::path::PathBuf {
    let mut found = String::from("/");
    tree.walk(&mut |path, id| {
        if id == wanted {
            found = format!("/{}", readable(path));
        }
    });
    found.into()
}
