//! The archive format of initramfs images: newc cpio, as in the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst.

/// Kinds of nodes, with the bits of `st_mode` that say so.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node<'a> {
    Folder,
    File { content: &'a [u8], mode: u32 },
    CharacterDevice { major: u32, minor: u32 },
}

/// An archive in memory. Everything belongs to root; times are 1970.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    count: u32,
}

impl Archive {
    /// Adds a node; its parent must have been added before. `name` has no
    /// leading slash.
    pub(crate) fn add(&mut self, name: &str, node: Node<'_>) {
        let (mode, content, device) = match node {
            Node::Folder => (0o040_755, &[][..], (0, 0)),
            Node::File { content, mode } => (0o100_000 | mode, content, (0, 0)),
            Node::CharacterDevice { major, minor } => (0o020_600, &[][..], (major, minor)),
        };
        self.count += 1;
        self.put(name, self.count, mode, device, content);
    }

    fn put(&mut self, name: &str, inode: u32, mode: u32, device: (u32, u32), content: &[u8]) {
        // Sizes fit: callers bound a file far below 4 GiB.
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let links = 1;
        let (uid, gid, time, own_major, own_minor, check) = (0, 0, 0, 0, 0, 0);
        let fields = [
            inode, mode, uid, gid, links, time, size, own_major, own_minor, device.0, device.1,
            name_size, check,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The whole archive with its trailer.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.put("TRAILER!!!", 0, 0, (0, 0), &[]);
        self.bytes
    }
}
