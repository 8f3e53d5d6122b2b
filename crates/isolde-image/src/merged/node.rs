//! Files, folders and links of a finished tree.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::layer::{Attributes, Segments};

/// Number of a node within its tree.
pub(crate) type NodeId = u32;

/// A file, folder, link or named pipe. A file with several names is one node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) attributes: Attributes,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// Nodes by name, in byte order.
    Folder(BTreeMap<Box<[u8]>, NodeId>),
    File {
        bytes: u64,
        content: Content,
    },
    Symlink(Box<[u8]>),
    Fifo,
}

/// Where a file's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// From an archive.
    Layer { layer: u32, segments: Segments },
    /// From a file of the host. There are few of them, and many of the others.
    Host(Box<HostFile>),
}

/// A file of the host whose SHA-256 is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostFile {
    pub(crate) source: PathBuf,
    pub(crate) hash: [u8; 32],
}

/// A tree of nodes below a root folder.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub(crate) const ROOT: NodeId = 0;

    pub(crate) fn new() -> Self {
        let attributes = Attributes { mode: 0o755, ..Attributes::default() };
        Self { nodes: vec![Node { attributes, kind: Kind::Folder(BTreeMap::new()) }] }
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX)
    }

    /// The children of a folder; none of anything else.
    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = (&[u8], NodeId)> {
        let children = match &self.node(id).kind {
            Kind::Folder(children) => Some(children),
            _ => None,
        };
        children.into_iter().flatten().map(|(name, id)| (&**name, *id))
    }

    pub(super) fn child(&self, folder: NodeId, name: &[u8]) -> Option<NodeId> {
        match &self.node(folder).kind {
            Kind::Folder(children) => children.get(name).copied(),
            _ => None,
        }
    }

    /// Numbers given so far: every node's is below.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Every name in the tree below the root, each folder before what is in it,
    /// in byte order within a folder: path relative to the root, and node. A
    /// file with several names comes with each.
    pub(crate) fn walk(&self, visit: &mut dyn FnMut(&[u8], NodeId)) {
        self.walk_below(Self::ROOT, &mut Vec::new(), visit);
    }

    fn walk_below(&self, folder: NodeId, path: &mut Vec<u8>, visit: &mut dyn FnMut(&[u8], NodeId)) {
        // Depth is bounded by the length of a path.
        let length = path.len();
        for (name, id) in self.children(folder) {
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            visit(path, id);
            self.walk_below(id, path, visit);
            path.truncate(length);
        }
    }
}
