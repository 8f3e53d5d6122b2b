//! Channels of a guest besides the line to its agent.

use std::os::fd::{AsRawFd, OwnedFd};

/// A channel between the guest and whoever has the other end of a socket pair.
#[derive(Debug)]
pub struct Port {
    /// Its name in the guest (`/sys/class/virtio-ports/*/name`); of a terminal, nothing
    /// but QEMU's name for it.
    pub name: &'static str,
    /// What it is in the guest.
    pub kind: PortKind,
    /// QEMU's end. Nobody else keeps a copy, or QEMU's end would not be that of the
    /// channel.
    pub end: OwnedFd,
}

/// What a guest sees of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortKind {
    /// A stream of bytes.
    Stream,
    /// A terminal, `/dev/hvc0`.
    Terminal,
}

impl Port {
    /// QEMU's arguments for it, behind the controller that it is plugged into.
    pub(super) fn arguments(&self) -> [String; 4] {
        let Self { name, kind, end } = self;
        let device = match kind {
            PortKind::Stream => format!("virtserialport,chardev={name},name={name}"),
            PortKind::Terminal => format!("virtconsole,chardev={name}"),
        };
        let channel = format!("socket,id={name},fd={}", end.as_raw_fd());
        ["-chardev".into(), channel, "-device".into(), device]
    }
}
