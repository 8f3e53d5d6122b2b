//! Writing the image, from its start to its end.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use super::allocation::{Allocation, Needs, SHORT_TARGET, needs};
use super::directory::{self, FileType, Name};
use super::geometry::{BLOCKS_PER_GROUP, FIRST_INODE, INODE, used_within};
use super::inode::{Body, Data, Format, inode};
use super::superblock::{Used, bitmap, descriptors, first_block};
use super::{BLOCK, Room, extents, xattr};
use crate::ImageError;
use crate::contents::Contents;
use crate::merged::{Kind, Layers, NodeId, Tree};

/// Written at once.
const CHUNK: usize = 1 << 20;

/// Writes the tree as the new image `path`, with free room.
pub(crate) fn write(
    tree: &Tree,
    layers: &Layers,
    room: Room,
    path: &Path,
) -> Result<(), ImageError> {
    let failed = |error| ImageError::file("write", path, error);
    let allocation = Allocation::of(tree, room)?;
    let file = File::create_new(path).map_err(failed)?;
    // What is not written stays a hole.
    file.set_len(allocation.geometry.blocks * BLOCK).map_err(failed)?;
    let mut image = Image { tree, allocation, file: BufWriter::with_capacity(CHUNK, file) };
    image.write_content(&mut Contents::new(layers), path)?;
    image.write_bookkeeping().map_err(failed)
}

struct Image<'a> {
    tree: &'a Tree,
    allocation: Allocation,
    file: BufWriter<File>,
}

impl Image<'_> {
    fn write_content(
        &mut self,
        contents: &mut Contents<'_>,
        path: &Path,
    ) -> Result<(), ImageError> {
        let failed = |error| ImageError::file("write", path, error);
        let start = self.allocation.geometry.content * BLOCK;
        self.file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let ids = std::mem::take(&mut self.allocation.by_block);
        for &id in &ids {
            // They were counted before.
            let Ok(needs) = needs(self.tree, id) else { continue };
            self.write_before_content(id, needs).map_err(failed)?;
            match &self.tree.node(id).kind {
                Kind::Folder(_) => {
                    let blocks = self.folder(id);
                    self.file.write_all(&blocks).map_err(failed)?;
                }
                Kind::Symlink(target) if target.len() > SHORT_TARGET => {
                    let mut block = target.to_vec();
                    block.resize(BLOCK as usize, 0);
                    self.file.write_all(&block).map_err(failed)?;
                }
                Kind::File { bytes, content } => {
                    for run in extents::runs(*bytes, content).unwrap_or_default() {
                        let range = run.first * BLOCK..(run.first + run.blocks) * BLOCK;
                        contents.copy(*bytes, content, range, &mut self.file, path)?;
                    }
                }
                Kind::Symlink(_) | Kind::Fifo => {}
            }
        }
        self.allocation.by_block = ids;
        Ok(())
    }

    /// The leaves of the extent tree, and the attributes.
    fn write_before_content(&mut self, id: NodeId, needs: Needs) -> io::Result<()> {
        let node = self.tree.node(id);
        if let (1.., Kind::File { bytes, content }) = (needs.leaves, &node.kind) {
            let runs = extents::runs(*bytes, content).unwrap_or_default();
            let start = self.allocation.place(id).start;
            let (_, leaves) = extents::tree(&runs, start, start + needs.leaves + needs.xattrs);
            self.file.write_all(&leaves)?;
        }
        if needs.xattrs > 0 {
            let block = xattr::block(&node.attributes.xattrs).unwrap_or_default();
            self.file.write_all(&block)?;
        }
        Ok(())
    }

    fn folder(&self, id: NodeId) -> Vec<u8> {
        let place = self.allocation.place(id);
        let names = self.tree.children(id).map(|(name, child)| Name {
            name,
            inode: self.allocation.place(child).inode,
            kind: match self.tree.node(child).kind {
                Kind::Folder(_) => FileType::Folder,
                Kind::File { .. } => FileType::Regular,
                Kind::Symlink(_) => FileType::Symlink,
                Kind::Fifo => FileType::Fifo,
            },
        });
        directory::blocks(place.inode, place.parent, names)
    }

    fn write_bookkeeping(mut self) -> io::Result<()> {
        let geometry = self.allocation.geometry;
        let used =
            Used { blocks: self.allocation.used_blocks, inodes: self.allocation.used_inodes() };
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&first_block(&geometry, used))?;
        self.file.write_all(&descriptors(&geometry, used, &self.count_folders()))?;
        for group in 0..geometry.groups {
            let size = geometry.group_blocks(group);
            let blocks = used_within(used.blocks, group * BLOCKS_PER_GROUP, size);
            self.file.write_all(&bitmap(blocks, size))?;
        }
        let per_group = geometry.inodes_per_group;
        for group in 0..geometry.groups {
            let inodes = used_within(used.inodes, group * per_group, per_group);
            self.file.write_all(&bitmap(inodes, per_group))?;
        }
        self.write_inodes()?;
        self.file.flush()
    }

    /// Folders whose inodes are in each group.
    fn count_folders(&self) -> Vec<u16> {
        let geometry = self.allocation.geometry;
        let mut folders = vec![0u16; geometry.groups as usize];
        for &id in &self.allocation.by_inode {
            if matches!(self.tree.node(id).kind, Kind::Folder(_)) {
                let number = u64::from(self.allocation.place(id).inode - 1);
                folders[(number / geometry.inodes_per_group) as usize] += 1;
            }
        }
        folders
    }

    /// The tables, which follow each other without a gap.
    fn write_inodes(&mut self) -> io::Result<()> {
        let tables = self.allocation.geometry.inode_tables * BLOCK;
        let ids = std::mem::take(&mut self.allocation.by_inode);
        self.file.seek(SeekFrom::Start(tables + INODE))?;
        let mut rest = ids.iter();
        if let Some(&root) = rest.next() {
            let root = self.inode(root);
            self.file.write_all(&root)?;
        }
        self.file.seek(SeekFrom::Start(tables + u64::from(FIRST_INODE - 1) * INODE))?;
        for &id in rest {
            let inode = self.inode(id);
            self.file.write_all(&inode)?;
        }
        self.allocation.by_inode = ids;
        Ok(())
    }

    fn inode(&self, id: NodeId) -> [u8; INODE as usize] {
        let node = self.tree.node(id);
        let place = self.allocation.place(id);
        // They were counted before.
        let needs = needs(self.tree, id).unwrap_or(Needs { leaves: 0, xattrs: 0, content: 0 });
        let content = place.start + needs.leaves + needs.xattrs;
        let whole = [extents::Run { first: 0, blocks: needs.content }];
        let (format, bytes, data) = match &node.kind {
            Kind::Folder(_) => (
                Format::Folder,
                needs.content * BLOCK,
                Data::Extents(extents::tree(&whole, place.start, content).0),
            ),
            Kind::Symlink(target) if target.len() <= SHORT_TARGET => {
                (Format::Symlink, target.len() as u64, Data::Target(target.to_vec()))
            }
            Kind::Symlink(target) => (
                Format::Symlink,
                target.len() as u64,
                Data::Extents(extents::tree(&whole, place.start, content).0),
            ),
            Kind::Fifo => (Format::Fifo, 0, Data::Nothing),
            Kind::File { bytes, content: source } => {
                let runs = extents::runs(*bytes, source).unwrap_or_default();
                let root = extents::tree(&runs, place.start, content).0;
                (Format::Regular, *bytes, Data::Extents(root))
            }
        };
        let body = Body {
            format,
            links: place.links as u16,
            bytes,
            blocks: needs.total(),
            xattr_block: if needs.xattrs > 0 { place.start + needs.leaves } else { 0 },
            data,
        };
        inode(&node.attributes, &body)
    }
}
